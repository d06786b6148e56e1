// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// What a guest may do with each MSR: one table for both vendors, which feeds the two hardware maps
// (boot/guest/msr_maps.hpp) and the emulation of what exits (msr_emulation). An MSR that no row names takes #GP, and is
// counted and logged.
#pragma once

#include <array>

#include "arch/x86_64/cpuid.hpp"
#include "arch/x86_64/msr_numbers.hpp"

namespace bulkhead {

enum class MsrRead : u8 {
    Fault,    ///< #GP; a stock kernel may try and copes, so it is not logged
    Constant, ///< the row's value
    Emulate,  ///< msr_emulation has a case for it
    Direct,   ///< no exit
};

enum class MsrWrite : u8 {
    Fault,
    Ignore,
    Emulate,
    Direct,
};

/// What must be there for a row to hold; otherwise the MSR takes #GP, as it does on a CPU without the feature.
enum class MsrNeeds : u8 {
    Nothing,
    IntelCpu,
    AmdCpu,
    X2apic,       ///< the host's APIC is an x2APIC; if not, the row exits
    DirectCounts, ///< likewise, and the timer is not periodic
    DirectEoi,    ///< likewise, and no level-triggered interrupt of the guest's awaits its EOI
    TscDeadline,
    Rdtscp,
    SpecCtrl,
    PredCmd,
    FlushCmd,
    ArchCapabilities,
};

/// A set of MsrNeeds that are met.
class MsrConditions {
public:
    constexpr MsrConditions() = default;
    constexpr MsrConditions& set(MsrNeeds needs) {
        bits_ = static_cast<u16>(bits_ | 1u << static_cast<u8>(needs));
        return *this;
    }
    [[nodiscard]] constexpr MsrConditions without(MsrNeeds needs) const {
        MsrConditions rest = *this;
        rest.bits_ = static_cast<u16>(rest.bits_ & ~(1u << static_cast<u8>(needs)));
        return rest;
    }
    [[nodiscard]] constexpr bool has(MsrNeeds needs) const { return (bits_ >> static_cast<u8>(needs) & 1) != 0; }

private:
    u16 bits_ = 1u << static_cast<u8>(MsrNeeds::Nothing);
};

struct MsrRow {
    u32 first;
    u32 last;
    MsrRead read;
    MsrWrite write;
    MsrNeeds needs = MsrNeeds::Nothing;
    u64 value = 0; ///< for MsrRead::Constant
};

namespace msr_rows {
using enum MsrNeeds;

constexpr MsrRow direct(u32 number, MsrNeeds needs = Nothing) {
    return {number, number, MsrRead::Direct, MsrWrite::Direct, needs};
}
constexpr MsrRow emulate(u32 number, MsrNeeds needs = Nothing) {
    return {number, number, MsrRead::Emulate, MsrWrite::Emulate, needs};
}
constexpr MsrRow constant(u32 number, u64 value, MsrWrite write, MsrNeeds needs = Nothing) {
    return {number, number, MsrRead::Constant, write, needs, value};
}
constexpr MsrRow constants(u32 first, u32 last, u64 value, MsrWrite write, MsrNeeds needs = Nothing) {
    return {first, last, MsrRead::Constant, write, needs, value};
}
constexpr MsrRow refused(u32 first, u32 last) { return {first, last, MsrRead::Fault, MsrWrite::Fault}; }
constexpr MsrRow refused(u32 number) { return refused(number, number); }
} // namespace msr_rows

// clang-format off
/// In ascending order. On a host without x2APIC all of 0x800 to 0x8ff is emulated.
inline constexpr auto msr_policy = [] {
    using namespace msr_rows;
    return std::to_array<MsrRow>({
        constants(msr::IA32_P5_MC_ADDR, msr::IA32_P5_MC_TYPE, 0, MsrWrite::Ignore),
        emulate(msr::IA32_TIME_STAMP_COUNTER),                          // RDTSC is direct; TCG's RDMSR leaves the offset out
        constant(msr::IA32_PLATFORM_ID, 0, MsrWrite::Fault, IntelCpu),  // Linux: microcode/intel.c reads it unchecked
        emulate(msr::IA32_APIC_BASE),
        constant(msr::EBL_CR_POWERON, 0, MsrWrite::Ignore, IntelCpu),
        refused(msr::TEST_CTRL),                                        // split locks are the host's to trap
        refused(msr::SMI_COUNT),                                        // Linux: events/msr.c probes it
        constant(msr::IA32_FEATURE_CONTROL, msr::feature_control::lock, MsrWrite::Fault, IntelCpu), // no VMX, no SGX
        refused(msr::IA32_TSC_ADJUST),
        direct(msr::IA32_SPEC_CTRL, SpecCtrl),
        {msr::IA32_PRED_CMD, msr::IA32_PRED_CMD, MsrRead::Fault, MsrWrite::Direct, PredCmd},
        refused(msr::PPIN_CTL, msr::PPIN),                              // the machine's serial number; Linux probes it
        {msr::IA32_BIOS_UPDT_TRIG, msr::IA32_BIOS_UPDT_TRIG, MsrRead::Fault, MsrWrite::Ignore, IntelCpu},
        {msr::IA32_BIOS_SIGN_ID, msr::IA32_BIOS_SIGN_ID, MsrRead::Emulate, MsrWrite::Ignore}, // Linux clears it first
        refused(msr::FSB_FREQ),
        constant(msr::PLATFORM_INFO, 0, MsrWrite::Fault, IntelCpu),     // no CPUID faulting, no ratios
        refused(msr::IA32_CORE_CAPABILITIES),
        refused(msr::PKG_CST_CONFIG_CONTROL),
        refused(msr::IA32_MPERF, msr::IA32_APERF),
        constant(msr::IA32_MTRRCAP, 1u << 10, MsrWrite::Fault),         // WC; no variable, no fixed ranges
        {msr::IA32_ARCH_CAPABILITIES, msr::IA32_ARCH_CAPABILITIES, MsrRead::Emulate, MsrWrite::Fault, ArchCapabilities},
        {msr::IA32_FLUSH_CMD, msr::IA32_FLUSH_CMD, MsrRead::Fault, MsrWrite::Direct, FlushCmd},
        refused(msr::IA32_TSX_CTRL),
        refused(msr::MISC_FEATURES_ENABLES),                            // Linux: intel.c probes it
        direct(msr::IA32_SYSENTER_CS),
        direct(msr::IA32_SYSENTER_ESP),
        direct(msr::IA32_SYSENTER_EIP),
        constants(msr::IA32_MCG_CAP, msr::IA32_MCG_CTL, 0, MsrWrite::Ignore), // no machine-check banks
        refused(msr::IA32_PERFEVTSEL0, msr::IA32_PERFEVTSEL0 + 7),
        refused(msr::IA32_PERF_STATUS, msr::IA32_PERF_CTL),
        refused(msr::IA32_THERM_INTERRUPT, msr::IA32_THERM_STATUS),
        // Fast strings on (or Linux hides ERMS); branch trace and precise event sampling unavailable.
        constant(msr::IA32_MISC_ENABLE, 1u << 0 | 1u << 11 | 1u << 12, MsrWrite::Ignore, IntelCpu),
        refused(msr::IA32_ENERGY_PERF_BIAS),
        refused(msr::IA32_PACKAGE_THERM_STATUS),
        emulate(msr::IA32_DEBUGCTL),
        constants(msr::LASTBRANCHFROMIP, msr::LASTINTTOIP, 0, MsrWrite::Fault),
        refused(msr::POWER_CTL),
        // Linux saves these before it starts a CPU, also where MTRRCAP says that there are none.
        constants(msr::IA32_MTRR_FIX64K_00000, msr::IA32_MTRR_FIX64K_00000, 0x0606'0606'0606'0606, MsrWrite::Ignore),
        constants(0x258, 0x259, 0x0606'0606'0606'0606, MsrWrite::Ignore),
        constants(0x268, msr::IA32_MTRR_FIX4K_F8000, 0x0606'0606'0606'0606, MsrWrite::Ignore),
        direct(msr::IA32_PAT),                                          // SVM: G_PAT; VMX: loaded and saved
        emulate(msr::IA32_MTRR_DEF_TYPE),
        refused(msr::RAPL_POWER_UNIT, msr::PP1_POLICY),                 // Linux: rapl probes them by CPU model
        direct(msr::IA32_TSC_DEADLINE, TscDeadline),
        // x2APIC: what needs no translation of IDs and reaches nobody else.
        direct(msr::IA32_X2APIC_TPR, X2apic),
        {msr::IA32_X2APIC_PPR, msr::IA32_X2APIC_PPR, MsrRead::Direct, MsrWrite::Emulate, X2apic},
        {msr::IA32_X2APIC_EOI, msr::IA32_X2APIC_EOI, MsrRead::Emulate, MsrWrite::Direct, DirectEoi},
        {msr::IA32_X2APIC_ISR0, msr::IA32_X2APIC_IRR7, MsrRead::Direct, MsrWrite::Emulate, X2apic},
        // QEMU's takes any delivery mode, and an SMI in the guest would keep our NMIs out for good.
        {msr::IA32_X2APIC_LVT_TIMER, msr::IA32_X2APIC_LVT_TIMER, MsrRead::Direct, MsrWrite::Emulate, X2apic},
        direct(msr::IA32_X2APIC_INIT_COUNT, DirectCounts),              // a short period is made longer
        {msr::IA32_X2APIC_CUR_COUNT, msr::IA32_X2APIC_CUR_COUNT, MsrRead::Direct, MsrWrite::Emulate, X2apic},
        direct(msr::IA32_X2APIC_DIV_CONF, DirectCounts),
        {msr::IA32_X2APIC_SELF_IPI, msr::IA32_X2APIC_SELF_IPI, MsrRead::Emulate, MsrWrite::Direct, X2apic},
        refused(msr::IA32_L3_QOS_CFG),
        refused(msr::IA32_L3_MASK_0),                                   // Linux: resctrl probes it on Haswell
        refused(msr::IA32_XSS),                                         // XSAVES is not shown
        emulate(msr::KVM_WALL_CLOCK_NEW),
        emulate(msr::KVM_SYSTEM_TIME_NEW),
        emulate(msr::EFER),
        direct(msr::STAR),
        direct(msr::LSTAR),
        direct(msr::CSTAR),
        direct(msr::SFMASK),
        direct(msr::FS_BASE),
        direct(msr::GS_BASE),
        direct(msr::KernelGSbase),
        direct(msr::TSC_AUX, Rdtscp),
        refused(msr::TSC_RATIO),
        refused(msr::PERF_CTL0, msr::PERF_CTR3),                        // Linux: events/amd probes them
        constant(msr::SYSCFG, 0, MsrWrite::Ignore, AmdCpu),             // Linux: mtrr/generic.c reads it unchecked
        constant(msr::HWCR, 1u << 24, MsrWrite::Ignore, AmdCpu),        // TscFreqSel, else "Firmware Bug"
        constant(msr::NB_CFG, 0, MsrWrite::Ignore, AmdCpu),             // Linux: pci/amd_bus.c sets a bit unchecked
        {msr::PATCH_LOADER, msr::PATCH_LOADER, MsrRead::Fault, MsrWrite::Ignore, AmdCpu},
        refused(msr::MC0_CTL_MASK, msr::MC5_CTL_MASK),                  // Linux: amd.c tries, on family 0x10
        constant(msr::INT_PENDING, 0, MsrWrite::Ignore, AmdCpu),        // no C1E; Linux reads it unchecked on K8
        refused(msr::MMIO_CFG_BASE),
        refused(msr::PSTATE_CUR_LIMIT, msr::PSTATE_7),
        refused(msr::SMM_ADDR, msr::SMM_MASK),                          // Linux: amd.c probes for the TSEG
        refused(msr::VM_CR, msr::VM_HSAVE_PA),
        refused(msr::VIRT_SPEC_CTRL),
        refused(msr::SEV_STATUS),
        refused(msr::OSVW_ID_LENGTH, msr::OSVW_STATUS),                 // OSVW is not shown
        refused(msr::AMD_RAPL_PWR_UNIT, msr::AMD_PKG_ENERGY_STAT),
        refused(msr::CPUID_7_Features, msr::CPUID_ExtFeatures),         // Linux: amd.c tries to change CPUID bits
        refused(msr::LS_CFG),                                           // if it could be read, Linux would switch SSBD
        refused(msr::IC_CFG),
        constants(msr::DC_CFG, msr::TW_CFG, 0, MsrWrite::Ignore, AmdCpu),
        refused(msr::FP_CFG),
        constant(msr::DE_CFG, 1u << 1, MsrWrite::Ignore, AmdCpu),       // LFENCE serializes
        constant(msr::BU_CFG2, 0, MsrWrite::Ignore, AmdCpu),
        refused(msr::BP_CFG),
    });
}();
// clang-format on

consteval bool is_sorted_msr_policy() {
    for (std::size_t i = 0; i < msr_policy.size(); ++i) {
        if (msr_policy[i].first > msr_policy[i].last || (i > 0 && msr_policy[i - 1].last >= msr_policy[i].first))
            return false;
    }
    return true;
}
static_assert(is_sorted_msr_policy(), "MSR policy: rows must ascend and not overlap");

/// The row of an MSR; null where there is none.
[[nodiscard]] constexpr const MsrRow* find_msr_row(u32 number) {
    std::size_t low = 0;
    std::size_t high = msr_policy.size();
    while (low < high) {
        const std::size_t middle = (low + high) / 2;
        if (msr_policy[middle].last < number)
            low = middle + 1;
        else
            high = middle;
    }
    return low < msr_policy.size() && msr_policy[low].first <= number ? &msr_policy[low] : nullptr;
}

/// What of a vCPU's x2APIC exits, where the host has one: what must; the timer's initial count and divider besides; EOI
/// besides; everything, as there is none.
enum class ApicExits : u8 { Least, Counts, Eoi, All };

/// A vCPU has one of these maps. In every other one IA32_TSC_DEADLINE exits: of a TSC with an offset, as the APIC
/// compares it with the real TSC.
inline constexpr u32 msr_maps = 8;
constexpr u32 msr_map_of(ApicExits apic_exits, bool has_tsc_offset) {
    return 2 * static_cast<u32>(apic_exits) + (has_tsc_offset ? 1 : 0);
}

/// SVM: two bits for each MSR, read and write; a set bit exits (APM 2 15.11).
using SvmMsrMap = std::array<u8, 8192>;
/// VMX: four bitmaps of 1 KiB: read low, read high, write low, write high; a set bit exits (SDM 3C 25.6.9).
using VmxMsrBitmap = std::array<u8, 4096>;

} // namespace bulkhead
