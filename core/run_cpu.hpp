// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// The way of a CPU from its own page tables to its run loop.
#pragma once

#include <new>

#include "base/init.hpp"
#include "core/guest_builder.hpp"
#include "core/run_cpu_steps.hpp"

namespace bulkhead {

/// Builds the guest if this core runs its first vCPU, and puts the vCPU at its start. The guest's other vCPUs wait for
/// a start-up IPI.
template <Backend B> [[clang::minsize]] void prepare_vcpu(B& backend, Vcpu& core) {
    prepare_vcpu_state(this_cpu(), core);
    backend.set_parked(true);
    if (core.id != 0)
        return;
    BuildTimes times;
    const Result<EntryState> entry = build_guest_memory(*core.guest, times);
    core.build_ticks = times.zeroing + times.copying;
    if (!entry)
        return report_unbuildable_guest(core, entry.error());
    backend.reset(*entry);
    backend.set_parked(false);
    core.activity.store(Activity::Active);
}

/// `index`: in BootInfo::cpus. On the CPU's own stack, on tables with .init.
template <Backend B> [[clang::minsize]] BULKHEAD_INIT void prepare_cpu(u32 index, const CpuResources& resources) {
    Cpu& cpu = initialize_cpu(index);
    B& backend = *new (reinterpret_cast<void*>(layout::per_cpu_vendor)) B;
    if (const Result<void> started = backend.start(resources); !started)
        halt_boot("a CPU cannot run guests", started.error());
    if (cpu.core->guest != nullptr)
        prepare_vcpu(backend, *cpu.core);
    cpu.core->ready.store(true);
    wait_for_go(cpu);
}

} // namespace bulkhead
