// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#pragma once

#include <array>

#include "arch/x86_64/arch_capabilities.hpp"
#include "base/result.hpp"
#include "vmx/vmcs.hpp"

namespace bulkhead::vmx {

/// How VT-x is to be used on this CPU (SDM 3C appendix A).
struct Capabilities {
    // The controls to start with: every bit that we want or that the CPU demands. "Activate VMX-preemption timer",
    // "NMI-window exiting", "RDTSC exiting" and "IA-32e mode guest" are 0 here and can be set at any time.
    u32 pin = 0;
    u32 primary = 0;
    u32 secondary = 0;
    u32 exit = 0;
    u32 entry = 0;

    u32 revision = 0;         ///< first word of the VMXON region and of each VMCS
    bool must_unlock = false; ///< before VMXON, IA32_FEATURE_CONTROL is to be written: VMX outside SMX, lock
    bool ept_1gib_pages = false;
    bool ept_accessed_dirty = false; ///< EPT pointer bit 6
    bool itlb_multihit = false;      ///< large executable EPT pages let a guest raise a machine check
    u8 physical_bits = 0;            ///< widths of addresses
    u8 linear_bits = 0;
    u8 preemption_timer_shift = 0; ///< the timer counts down once per 2^shift of the TSC
    // A bit of CR0 or CR4 is 1 where FIXED0 has 1, and 0 where FIXED1 has 0; CR0.PE and PG are the guest's own all the
    // same, as guests are unrestricted (SDM 3C A.7, A.8).
    u64 cr0_fixed0 = 0;
    u64 cr0_fixed1 = 0;
    u64 cr4_fixed0 = 0;
    u64 cr4_fixed1 = 0;

    [[nodiscard]] constexpr bool has(Secondary control) const { return (secondary & control) != 0; }
};

/// The words that the decision depends on, so that recordings can be replayed. What does not exist is 0.
struct CapabilityWords {
    u32 signature = 0; ///< CPUID 1 EAX, ECX
    u32 basic_ecx = 0;
    u32 address_sizes = 0;     ///< CPUID 8000_0008h EAX
    u64 arch_capabilities = 0; ///< IA32_ARCH_CAPABILITIES
    u64 feature_control = 0;   ///< IA32_FEATURE_CONTROL
    std::array<u64, msr::IA32_VMX_TRUE_ENTRY_CTLS - msr::IA32_VMX_BASIC + 1> vmx{};

    /// IA32_VMX_BASIC to IA32_VMX_TRUE_ENTRY_CTLS, by number.
    constexpr u64& at(u32 number) { return vmx[number - msr::IA32_VMX_BASIC]; }
    [[nodiscard]] constexpr u64 at(u32 number) const { return vmx[number - msr::IA32_VMX_BASIC]; }
};

/// Reads the words that this CPU has; `read_msr(u32) -> u64` is called for no other (SDM 3C appendix A).
template <class ReadMsr> CapabilityWords read_capability_words(CpuidSource cpuid, ReadMsr&& read_msr) {
    using namespace msr;
    CapabilityWords words{.signature = cpuid(1).eax,
                          .basic_ecx = cpuid(1).ecx,
                          .address_sizes = cpuid(0x8000'0008).eax,
                          .arch_capabilities = read_arch_capabilities(cpuid, read_msr)};
    if ((words.basic_ecx & bit_of(CpuFeature::VMX)) == 0)
        return words;
    const auto read = [&](u32 first, u32 last, bool exists) {
        for (u32 number = first; exists && number <= last; ++number)
            words.at(number) = read_msr(number);
    };
    const auto may_set = [&](u32 number, u32 controls) { return (words.at(number) >> 32 & controls) != 0; };
    words.feature_control = read_msr(IA32_FEATURE_CONTROL);
    read(IA32_VMX_BASIC, IA32_VMX_CR4_FIXED1, true);
    read(IA32_VMX_PROCBASED_CTLS2, IA32_VMX_PROCBASED_CTLS2,
         may_set(IA32_VMX_PROCBASED_CTLS, CPU_ACTIVATE_SECONDARY_CONTROLS));
    read(IA32_VMX_EPT_VPID_CAP, IA32_VMX_EPT_VPID_CAP,
         may_set(IA32_VMX_PROCBASED_CTLS2, SECONDARY_ENABLE_EPT | SECONDARY_ENABLE_VPID));
    read(IA32_VMX_TRUE_PINBASED_CTLS, IA32_VMX_TRUE_ENTRY_CTLS, (words.at(IA32_VMX_BASIC) >> 55 & 1) != 0);
    return words;
}

/// Refuses with its name what the hypervisor cannot run without; the error's value is the word that says so.
Result<Capabilities> decide_capabilities(const CapabilityWords& words);

} // namespace bulkhead::vmx
