// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#pragma once

#include "base/types.hpp"
#include "guests/lib/cpu.hpp"

/// The local APIC, through the x2APIC's MSRs.
namespace bulkhead::guest {

/// MSR numbers of the x2APIC (SDM 3A 10.12.1.2).
enum X2Apic : u32 {
    x2apic_id = 0x802,
    x2apic_version = 0x803,
    x2apic_tpr = 0x808,
    x2apic_ppr = 0x80a,
    x2apic_eoi = 0x80b,
    x2apic_ldr = 0x80d,
    x2apic_svr = 0x80f,
    x2apic_isr = 0x810,
    x2apic_tmr = 0x818,
    x2apic_irr = 0x820,
    x2apic_esr = 0x828,
    x2apic_icr = 0x830,
    x2apic_lvt_timer = 0x832,
    x2apic_lvt_lint0 = 0x835,
    x2apic_lvt_lint1 = 0x836,
    x2apic_lvt_error = 0x837,
    x2apic_initial_count = 0x838,
    x2apic_current_count = 0x839,
    x2apic_divide = 0x83e,
    x2apic_self_ipi = 0x83f,
};
inline constexpr u32 msr_apic_base = 0x1b;
inline constexpr u64 lvt_masked = u64{1} << 16;
inline constexpr u64 lvt_periodic = u64{1} << 17;
inline constexpr u64 lvt_deadline = u64{1} << 18;

inline void end_of_interrupt() { wrmsr(x2apic_eoi, 0); }

/// Turns the APIC on in x2APIC mode, if it is not yet, and accepts interrupts.
void enable_apic();

/// The rate of the APIC timer undivided, in Hz: from CPUID 0x40000010, else measured against the PM timer.
u64 apic_timer_hz();
/// The rate of the TSC in Hz, found in the same way.
u64 tsc_hz();

/// Starts the periodic timer. `hz` interrupts a second with this vector, until stop_timer().
void start_timer(u64 hz, u8 vector);
/// One interrupt after `count` ticks of apic_timer_hz().
void start_timer_once(u32 count, u8 vector);
void stop_timer();

/// True if the bit of this vector is set in the eight registers from `first` (ISR, TMR or IRR).
bool apic_vector_bit(X2Apic first, u8 vector);

} // namespace bulkhead::guest
