// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#pragma once

#include <array>

#include "core/control_registers.hpp"
#include "core/guest_cpuid.hpp"
#include "core/msr_policy.hpp"

namespace bulkhead {

/// The MSRs of a vCPU that exist in memory only.
struct MsrState {
    u64 mtrr_def_type = 0x806; ///< MTRRs on, all memory write-back
    u64 debugctl = 0;
    u64 bios_sign_id = 0;      ///< the host's microcode revision
    u64 arch_capabilities = 0; ///< the host's, filtered by allowed_arch_capabilities
    u64 kvm_wall_clock = 0;
    u64 kvm_system_time = 0;
    MsrConditions conditions;
};

enum class MsrEffect : u8 {
    Done,          ///< a read's value is in `value`; a write is complete
    Fault,         ///< #GP(0)
    Unknown,       ///< #GP(0); no row names this MSR: count it, log it once
    Apic,          ///< IA32_APIC_BASE or an x2APIC register: the APIC code reads or writes it, or takes #GP
    Efer,          ///< write: `value` is the new EFER as the guest sees it
    Tsc,           ///< read: the guest's TSC; write: `value` is what it must be now
    TscDeadline,   ///< read or write of IA32_TSC_DEADLINE, which exits while the vCPU's TSC offset is not 0
    KvmWallClock,  ///< write: guest-physical address of the page part, hostile input
    KvmSystemTime, ///< write: guest-physical address, bit 0 switches it on, hostile input
};

struct MsrResult {
    MsrEffect effect = MsrEffect::Fault;
    u64 value = 0;
};

/// The registers of the x2APIC: read_msr() and write_msr() answer MsrEffect::Apic.
constexpr bool is_x2apic_msr(u32 number) { return number - msr::x2apic_first <= msr::x2apic_last - msr::x2apic_first; }

/// RDMSR that exited. `controls` are the guest's own values.
[[nodiscard]] MsrResult read_msr(const MsrState& state, const GuestControls& controls, u32 number);

/// WRMSR that exited. Effects other than Done, Fault and Unknown are the caller's to carry out; if they succeed, it
/// stores what MsrState keeps of them.
[[nodiscard]] MsrResult write_msr(MsrState& state, const GuestControls& controls, const GuestCpuid& cpuid, u32 number,
                                  u64 value);

/// Which unknown MSRs have been reported: each is once, and so many at most.
class ReportedMsrs {
public:
    /// True the first time that `number` comes, until the set is full.
    [[nodiscard]] bool is_new(u32 number) {
        ++accesses_;
        for (u32 i = 0; i < count_; ++i) {
            if (numbers_[i] == number)
                return false;
        }
        if (count_ == numbers_.size())
            return false;
        numbers_[count_++] = number;
        return true;
    }
    /// All accesses, the repeated ones too.
    [[nodiscard]] u64 accesses() const { return accesses_; }

private:
    std::array<u32, 16> numbers_{};
    u32 count_ = 0;
    u64 accesses_ = 0;
};

} // namespace bulkhead
