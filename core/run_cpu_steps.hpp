// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#pragma once

#include "base/result.hpp"
#include "core/cpu.hpp"

namespace bulkhead {

/// This CPU's private data, descriptor tables, control registers and local APIC. `index`: in BootInfo::cpus.
Cpu& initialize_cpu(u32 index);

/// What a vCPU sees of its CPU: CPUID, MSRs, APIC.
void prepare_vcpu_state(Cpu& cpu, Vcpu& core);

/// All cores meet here; the bootstrap processor lets them go. The service CPU takes over the console.
void wait_for_go(Cpu& cpu);

/// Booting cannot go on: says why and stops this CPU for good.
[[noreturn]] void halt_boot(std::string_view what, const Error& error);

/// The machine does without a CPU, and so does its guest: one whose first vCPU it has does not start. Of a CPU
/// that was ready already the guest has failed.
void give_up_cpu(Vcpu& core);
/// Gives this CPU up: says why and stops it for good. It is not the bootstrap processor, or booting cannot go on.
[[noreturn]] void leave_out_cpu(Vcpu& core, const Error& error);

/// After #MC on this CPU: records what its banks hold and clears them, so that the next one is no shutdown (SDM 3B
/// 16.3.1.2). Whether the CPU's own state may be damaged.
bool end_machine_check();

/// Whether the CPU is on its own tables, so that this_cpu() exists. `stack`: an address on the stack in use.
bool on_private_stack(u64 stack);

} // namespace bulkhead
