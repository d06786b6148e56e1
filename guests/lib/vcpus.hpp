// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#pragma once

#include "base/types.hpp"

/// The guest's other vCPUs.
namespace bulkhead::guest {

inline constexpr u32 max_vcpus = 64;

/// How many vCPUs the MADT lists as enabled.
u32 vcpu_count();

/// What a vCPU found in its registers at its start.
struct StartState {
    u32 edx, cr0, cr4;
    u16 cs, padding;
    u32 efer;
};

inline constexpr u64 icr_nmi = 4 << 8, icr_init = 5 << 8, icr_start_up = 6 << 8, icr_assert = 1 << 14;
inline constexpr u64 icr_to(u32 id) { return u64{id} << 32; }
/// The page where a vCPU starts.
inline constexpr u8 start_page = 0x60;

void send_init(u32 id);
void send_start_up(u32 id);

/// Starts the vCPU by INIT and start-up IPI, or by the latter alone, with `function` and an argument on a stack of its
/// own, interrupts off, the APIC on, the IDT of the first. It must not return. False if it has not come in a second.
/// One at a time.
bool start_vcpu(u32 id, void (*function)(u32 id), StartState& found, bool with_init = true);
/// The same by the page of the sender's xAPIC.
bool start_vcpu_by_page(u32 id, void (*function)(u32 id));

/// IA32_APIC_BASE as the vCPU that was started last had it.
extern volatile u64 found_apic_base;

} // namespace bulkhead::guest
