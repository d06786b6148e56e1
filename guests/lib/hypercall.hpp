// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#pragma once

#include "base/types.hpp"

/// What only a guest of this hypervisor finds.
namespace bulkhead::guest {

/// The highest leaf at 0x40000000, or 0 where there is no hypervisor.
u32 hypervisor_max_leaf();
/// True if that leaf says BulkheadHV.
bool under_bulkhead();
/// True if the CPU's instruction for a hypercall is VMCALL, false if it is VMMCALL.
bool is_intel();

/// The number in RAX, arguments in RBX, RCX and RDX; the result comes in RAX.
u64 hypercall(u64 number, u64 rbx = 0, u64 rcx = 0, u64 rdx = 0);

inline constexpr u64 not_implemented = static_cast<u64>(-38); // -ENOSYS
inline constexpr u64 hypercall_exit_count = 0x424b0001;
/// The exits of this vCPU so far, that of the hypercall included: all of them, or those with one reason.
/// The result for a reason that does not exist is an error: see is_error().
u64 exit_count(u64 reason = ~u64{0});
/// Which of the guest's lives this is: 1 for the first since the machine was booted.
inline constexpr u64 hypercall_life = 0x424b0002;
/// Makes the hypervisor fail, where the configuration lets it (debug-faults); RBX 1: so that it cannot go on.
inline constexpr u64 hypercall_fault = 0x424b0003;
inline bool is_error(u64 result) { return result >= static_cast<u64>(-4095); }

} // namespace bulkhead::guest
