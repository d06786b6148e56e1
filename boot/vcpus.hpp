// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// What guests' vCPUs see of the CPU, and what they reach without an exit. It is computed on the bootstrap processor,
// for the vCPUs of all: processors of one machine have the same features, and where they differ in caches or microcode,
// a guest sees those of the first.
#pragma once

#include "boot/arena.hpp"
#include "core/vcpu_start.hpp"

namespace bulkhead::boot {

/// For BootInfo::msr_maps, in the vendor's format.
[[nodiscard]] HostPhysical lay_out_msr_maps(Arena& arena);
/// For BootInfo::io_map.
[[nodiscard]] HostPhysical lay_out_io_map(Arena& arena);

/// Fills in GuestInfo::vcpus, which has an element for each vCPU of one guest.
void make_vcpu_starts(std::span<VcpuStart> vcpus, const Clocks& clocks);

} // namespace bulkhead::boot
