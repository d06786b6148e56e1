// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "vmx/capabilities.hpp"

#include "arch/x86_64/arch_capabilities.hpp"
#include "arch/x86_64/control_bits.hpp"

namespace bulkhead::vmx {

namespace {

using namespace msr;

/// Where a word of controls is described, and the bits that were 1 before they had a meaning (SDM 3C A.2 to A.5).
struct ControlWord {
    u32 Capabilities::* word;
    u32 number;
    u32 true_number;
    u32 default1;
};
constexpr ControlWord control_words[] = {
    {&Capabilities::pin, IA32_VMX_PINBASED_CTLS, IA32_VMX_TRUE_PINBASED_CTLS, 0x16},
    {&Capabilities::primary, IA32_VMX_PROCBASED_CTLS, IA32_VMX_TRUE_PROCBASED_CTLS, 0x0401e172},
    {&Capabilities::secondary, IA32_VMX_PROCBASED_CTLS2, IA32_VMX_PROCBASED_CTLS2, 0},
    {&Capabilities::exit, IA32_VMX_EXIT_CTLS, IA32_VMX_TRUE_EXIT_CTLS, 0x36dff},
    {&Capabilities::entry, IA32_VMX_ENTRY_CTLS, IA32_VMX_TRUE_ENTRY_CTLS, 0x11ff},
};

enum class Want : u8 {
    On,
    OnIfThere, ///< else the instruction that it is about takes #UD, or does not exist
    Later,     ///< must be there; off at first
    Off,       ///< the CPU must not force it on
};

struct Control {
    u32 Capabilities::* word;
    u32 bit;
    Want want;
    Literal refusal; ///< for OnIfThere the name alone
};

// What is not named here stays off: external-interrupt, HLT, INVLPG, CR8, MOV-DR, PAUSE and descriptor-table exiting,
// so that a guest that computes does not exit; PCONFIG, TPAUSE and UMWAIT, which then take #UD.
// clang-format off
using enum Want;
constexpr auto pin = &Capabilities::pin, primary = &Capabilities::primary, secondary = &Capabilities::secondary,
               on_exit = &Capabilities::exit, on_entry = &Capabilities::entry;
constexpr Control controls[] = {
    {pin, PIN_NMI_EXITING, On, "this CPU's VT-x has no \"NMI exiting\""},
    {pin, PIN_VIRTUAL_NMIS, On, "this CPU's VT-x has no \"virtual NMIs\""},
    {pin, PIN_VMX_PREEMPTION_TIMER, Later, "this CPU's VT-x has no \"activate VMX-preemption timer\""},
    {primary, CPU_CR3_LOAD_EXITING, Off, "this CPU's VT-x cannot switch \"CR3-load exiting\" off"},
    {primary, CPU_CR3_STORE_EXITING, Off, "this CPU's VT-x cannot switch \"CR3-store exiting\" off"},
    {primary, CPU_USE_TSC_OFFSETTING, On, "this CPU's VT-x has no \"use TSC offsetting\""},
    {primary, CPU_MWAIT_EXITING, On, "this CPU's VT-x has no \"MWAIT exiting\""},
    {primary, CPU_RDPMC_EXITING, On, "this CPU's VT-x has no \"RDPMC exiting\""},
    {primary, CPU_RDTSC_EXITING, Later, "this CPU's VT-x has no \"RDTSC exiting\""},
    {primary, CPU_NMI_WINDOW_EXITING, Later, "this CPU's VT-x has no \"NMI-window exiting\""},
    {primary, CPU_USE_IO_BITMAPS, On, "this CPU's VT-x has no \"use I/O bitmaps\""},
    {primary, CPU_USE_MSR_BITMAPS, On, "this CPU's VT-x has no \"use MSR bitmaps\""},
    {primary, CPU_MONITOR_EXITING, On, "this CPU's VT-x has no \"MONITOR exiting\""},
    {primary, CPU_ACTIVATE_SECONDARY_CONTROLS, On, "this CPU's VT-x has no \"activate secondary controls\""},
    {secondary, SECONDARY_ENABLE_EPT, On, "this CPU's VT-x has no \"enable EPT\""},
    {secondary, SECONDARY_ENABLE_VPID, On, "this CPU's VT-x has no \"enable VPID\""},
    {secondary, SECONDARY_UNRESTRICTED_GUEST, On, "this CPU's VT-x has no \"unrestricted guest\""},
    {secondary, SECONDARY_WBINVD_EXITING, On, "this CPU's VT-x has no \"WBINVD exiting\""},
    {secondary, SECONDARY_ENABLE_RDTSCP, OnIfThere, "enable RDTSCP"},
    {secondary, SECONDARY_ENABLE_INVPCID, OnIfThere, "enable INVPCID"},
    {secondary, SECONDARY_ENABLE_XSAVES, OnIfThere, "enable XSAVES/XRSTORS"},
    {secondary, SECONDARY_ENCLS_EXITING, OnIfThere, "ENCLS exiting"},
    {secondary, SECONDARY_ENABLE_ENCLV_EXITING, OnIfThere, "enable ENCLV exiting"},
    {on_exit, EXIT_SAVE_DEBUG_CONTROLS, On, "this CPU's VT-x has no \"save debug controls\""},
    {on_exit, EXIT_HOST_ADDRESS_SPACE_SIZE, On, "this CPU's VT-x has no \"host address-space size\""},
    {on_exit, EXIT_SAVE_IA32_PAT, On, "this CPU's VT-x has no \"save IA32_PAT\""},
    {on_exit, EXIT_LOAD_IA32_PAT, On, "this CPU's VT-x has no \"load IA32_PAT\" on exit"},
    {on_exit, EXIT_SAVE_IA32_EFER, On, "this CPU's VT-x has no \"save IA32_EFER\""},
    {on_exit, EXIT_LOAD_IA32_EFER, On, "this CPU's VT-x has no \"load IA32_EFER\" on exit"},
    {on_entry, ENTRY_LOAD_DEBUG_CONTROLS, On, "this CPU's VT-x has no \"load debug controls\""},
    {on_entry, ENTRY_IA32E_MODE_GUEST, Later, "this CPU's VT-x has no \"IA-32e mode guest\""},
    {on_entry, ENTRY_LOAD_IA32_PAT, On, "this CPU's VT-x has no \"load IA32_PAT\" on entry"},
    {on_entry, ENTRY_LOAD_IA32_EFER, On, "this CPU's VT-x has no \"load IA32_EFER\" on entry"},
};

/// Bits of a word that must have a value.
struct Fact {
    u32 number;
    u64 mask;
    u64 value;
    Literal refusal;
};
constexpr u64 bit(unsigned number) { return u64{1} << number; }
constexpr u64 invept = bit(20) | bit(25) | bit(26), invvpid = bit(32) | bit(41) | bit(42);
constexpr Fact facts[] = {
    // A.1
    {IA32_VMX_BASIC, bit(48), 0, "this CPU's VT-x takes addresses below 4 GiB only (IA32_VMX_BASIC bit 48)"},
    {IA32_VMX_BASIC, bit(50) * 15, bit(50) * 6, "this CPU's VMCS is not in write-back memory (IA32_VMX_BASIC 53:50)"},
    // A.6
    {IA32_VMX_MISC, bit(6), bit(6), "this CPU's VT-x cannot enter a guest that is in HLT (IA32_VMX_MISC bit 6)"},
    // A.7, A.8
    {IA32_VMX_CR0_FIXED0, ~(cr0::PE | cr0::NE | cr0::PG), 0, "this CPU's VT-x demands bits of CR0 that guests clear"},
    {IA32_VMX_CR4_FIXED0, ~cr4::VMXE, 0, "this CPU's VT-x demands bits of CR4 that guests clear"},
    // A.10
    {IA32_VMX_EPT_VPID_CAP, bit(6), bit(6), "this CPU's EPT has no page-walk length of 4"},
    {IA32_VMX_EPT_VPID_CAP, bit(14), bit(14), "this CPU's EPT cannot keep its tables in write-back memory"},
    {IA32_VMX_EPT_VPID_CAP, bit(16), bit(16), "this CPU's EPT has no 2 MiB pages"},
    {IA32_VMX_EPT_VPID_CAP, invept, invept, "this CPU lacks single-context or all-context INVEPT"},
    {IA32_VMX_EPT_VPID_CAP, invvpid, invvpid, "this CPU lacks single-context or all-context INVVPID"},
};
// clang-format on

/// Bits 31:0 are those that must be 1, 63:32 those that may be (SDM 3C A.3.1).
constexpr u32 must(u64 allowed) { return static_cast<u32>(allowed); }
constexpr u32 may(u64 allowed) { return static_cast<u32>(allowed >> 32); }

Result<u32> decide_controls(const ControlWord& described, u64 allowed) {
    u32 set = must(allowed), known = described.default1;
    for (const Control& control : controls) {
        if (control.word != described.word)
            continue;
        const bool is_there = (may(allowed) & control.bit) != 0;
        const bool is_refused = control.want == Off ? (must(allowed) & control.bit) != 0 : !is_there;
        if (is_refused && control.want != OnIfThere)
            return fail(control.refusal, allowed);
        if (control.want == On || (control.want == OnIfThere && is_there))
            known |= control.bit, set |= control.bit;
    }
    if ((set & ~known) != 0)
        return fail("this CPU's VT-x demands a control that the hypervisor does not know", allowed);
    return set;
}

} // namespace

Result<Capabilities> decide_capabilities(const CapabilityWords& words) {
    if ((words.basic_ecx & bit_of(CpuFeature::VMX)) == 0)
        return fail("this CPU has no VT-x (CPUID 1 ECX.VMX is 0)", words.basic_ecx);
    const bool is_locked = (words.feature_control & feature_control::lock) != 0;
    if (is_locked && (words.feature_control & feature_control::vmx_outside_smx) == 0) // SDM 3C 24.7
        return fail("VT-x is disabled and locked by the firmware (IA32_FEATURE_CONTROL): enable \"Intel Virtualization "
                    "Technology\" (VT-x) in its setup",
                    words.feature_control);
    const u64 basic = words.at(IA32_VMX_BASIC);
    const u64 region_size = basic >> 32 & 0x1fff;
    if (region_size == 0 || region_size > 4096)
        return fail("this CPU's VMCS is not 1 to 4096 bytes (IA32_VMX_BASIC 44:32)", basic);
    Capabilities capabilities;
    for (const ControlWord& described : control_words) {
        const bool has_true = (basic & bit(55)) != 0;
        const Result<u32> word =
            decide_controls(described, words.at(has_true ? described.true_number : described.number));
        if (!word)
            return std::unexpected(word.error());
        capabilities.*described.word = *word;
    }
    for (const Fact& fact : facts)
        if ((words.at(fact.number) & fact.mask) != fact.value)
            return fail(fact.refusal, words.at(fact.number));
    capabilities.revision = static_cast<u32>(basic & 0x7fffffff);
    capabilities.must_unlock = !is_locked;
    capabilities.ept_1gib_pages = (words.at(IA32_VMX_EPT_VPID_CAP) & bit(17)) != 0;
    capabilities.ept_accessed_dirty = (words.at(IA32_VMX_EPT_VPID_CAP) & bit(21)) != 0;
    capabilities.itlb_multihit = has_itlb_multihit(words.signature, words.arch_capabilities);
    capabilities.physical_bits = static_cast<u8>(words.address_sizes);
    capabilities.linear_bits = static_cast<u8>(words.address_sizes >> 8);
    capabilities.preemption_timer_shift = static_cast<u8>(words.at(IA32_VMX_MISC) & 31);
    capabilities.cr0_fixed0 = words.at(IA32_VMX_CR0_FIXED0);
    capabilities.cr0_fixed1 = words.at(IA32_VMX_CR0_FIXED1);
    capabilities.cr4_fixed0 = words.at(IA32_VMX_CR4_FIXED0);
    capabilities.cr4_fixed1 = words.at(IA32_VMX_CR4_FIXED1);
    return capabilities;
}

} // namespace bulkhead::vmx
