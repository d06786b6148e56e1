// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// The way of a CPU from its own page tables to its run loop.
#pragma once

#include <new>

#include "base/init.hpp"
#include "core/run_cpu_steps.hpp"
#include "core/run_loop.hpp"

namespace bulkhead {

/// `index`: in BootInfo::cpus. On the CPU's own stack, on tables with .init.
template <Backend B> [[clang::minsize]] BULKHEAD_INIT void prepare_cpu(u32 index, const CpuResources& resources) {
    Cpu& cpu = initialize_cpu(index);
    cpu.firmware_root = resources.firmware_root;
    B& backend = *new (&this_backend<B>()) B;
    if (const Result<void> started = backend.start(resources); !started)
        leave_out_cpu(*cpu.core, started.error());
    RunLoop<B>::begin();
    cpu.core->ready.store(true);
    wait_for_go(cpu);
}

} // namespace bulkhead
