// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// The rules of the control registers, as pure functions: what a write by a guest leads to, or that it takes #GP.
#pragma once

#include <optional>

#include "arch/x86_64/control_bits.hpp"
#include "core/guest_cpuid.hpp"

namespace bulkhead {

/// The control registers as the guest sees them. What the hardware has: real_cr0(), real_cr4(), and EFER with SVME.
struct GuestControls {
    u64 cr0 = 0;
    u64 cr3 = 0;
    u64 cr4 = 0;
    u64 efer = 0;
    friend bool operator==(const GuestControls&, const GuestControls&) = default;
};

struct ControlUpdate {
    GuestControls controls;     ///< after the write, EFER.LMA included
    bool cpuid_changes = false; ///< OSXSAVE or OSPKE follow: GuestCpuid::update
};

/// MOV to CR0, also as LMSW and CLTS make it. `code_is_64_bit` is CS.L while EFER.LMA is 1. Empty: #GP(0).
/// (SDM 3A 2.5, 10.8.5; APM 2 3.1.1, 14.6)
[[nodiscard]] std::optional<ControlUpdate> write_cr0(const GuestControls& now, u64 value, bool code_is_64_bit);

/// MOV to CR4. Empty: #GP(0). (SDM 3A 2.5, 4.10.1; APM 2 3.1.3)
[[nodiscard]] std::optional<ControlUpdate> write_cr4(const GuestControls& now, u64 value, const GuestCpuid& cpuid);

/// WRMSR to EFER. Empty: #GP(0). (SDM 3A 2.2.1; APM 2 3.1.7)
[[nodiscard]] std::optional<ControlUpdate> write_efer(const GuestControls& now, u64 value, const GuestCpuid& cpuid);

/// Whether XSETBV may load `value` into XCR0; the caller has checked CPL and ECX. `mask` is GuestCpuid::xcr0_mask.
/// (SDM 1 13.3)
[[nodiscard]] bool is_valid_xcr0(u64 value, u64 mask);

/// What the hardware has for the guest's CR0: the cache stays on, since switching it off would slow down neighbours.
constexpr u64 real_cr0(u64 guest_cr0) { return guest_cr0 & ~(cr0::CD | cr0::NW); }
/// What the hardware has for the guest's CR4: machine checks always reach the hypervisor.
constexpr u64 real_cr4(u64 guest_cr4) { return guest_cr4 | cr4::MCE; }

} // namespace bulkhead
