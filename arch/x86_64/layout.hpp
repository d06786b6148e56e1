// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// The hypervisor's virtual addresses. Every CPU has a top-level table of its own: what is "per CPU" or "per guest"
// below is at the same address everywhere and backed by other frames. docs/memory.md has the picture.
#pragma once

#include "mm/address.hpp"

namespace bulkhead::layout {

/// The image, as linked: code, constants and data that all CPUs share.
inline constexpr u64 image = 0xffffffff80000000;

/// The running CPU's private data. In the top 2 GiB, so that an instruction reaches it with a 32-bit displacement.
inline constexpr u64 per_cpu = 0xffffffffc0000000;
inline constexpr u64 per_cpu_data = per_cpu; ///< struct Cpu (core/cpu.hpp), then the backend's state
inline constexpr u64 per_cpu_data_size = 4 * page_size;
inline constexpr u64 per_cpu_vendor = per_cpu + 2 * page_size; ///< the backend's part of it
inline constexpr u64 per_cpu_stack = per_cpu + 0x10000;        ///< unmapped pages before and after are the guards
inline constexpr u64 per_cpu_stack_size = 4 * page_size;
inline constexpr u64 per_cpu_fault_stack = per_cpu + 0x18000; ///< of #DF under VMX; guarded likewise
inline constexpr u64 per_cpu_fault_stack_size = 2 * page_size;
inline constexpr u64 per_cpu_frames = per_cpu + 0x20000; ///< control structures that hardware owns (VMCB, ...)
inline constexpr u64 per_cpu_frames_size = 4 * page_size;
inline constexpr u64 per_cpu_end = per_cpu + 0x30000;

/// What the loader handed over (BootInfo and its arrays), read-only.
inline constexpr u64 handoff = 0xffffffffd0000000;

/// Objects of all guests that more than one CPU needs: guests, rings, counters.
inline constexpr u64 shared = 0xffffffffe0000000;

/// The journal (core/journal.hpp), where there is one.
inline constexpr u64 journal = 0xfffffffff0000000;

/// Device registers of the hypervisor's own devices, uncached: physical address + mmio.
inline constexpr u64 mmio = 0xffffa00000000000;

/// The RAM of the guest that this CPU runs: guest-physical address + guest_ram.
inline constexpr u64 guest_ram = 0xffffc00000000000;
inline constexpr u64 guest_ram_size = 512 * GiB; ///< one entry of the top-level table

/// What that guest's memory holds at its start, read-only: physical address + pristine.
inline constexpr u64 pristine = 0xffffd00000000000;
inline constexpr u64 pristine_size = 512 * GiB; ///< one entry of the top-level table

/// The second-stage tables of that guest and the spare ones behind them: physical address + second_stage. Mapped only
/// where they change while the guest runs (vmx/execution.hpp).
inline constexpr u64 second_stage = 0xffffd10000000000;

} // namespace bulkhead::layout
