// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// The stages of hv_main (core/main.cpp), in their order. What fails says why and halts.
#pragma once

#include <span>

#include "base/init.hpp"
#include "base/result.hpp"
#include "boot/boot_info.hpp"
#include "core/build_machine.hpp"
#include "core/run_cpu_steps.hpp"

namespace bulkhead {

/// A stage of booting begins: says so.
void begin_stage(std::string_view name);
/// Copies what the loader handed over, after a look at magic, version and size.
void take_boot_info(const BootInfo& handed_over);
void start_console();
/// Says what the boot before this one left in the journal. From here on there is one for this boot.
void open_journal();
/// From here on an exception of the hypervisor's own is printed.
void prepare_exceptions();

/// Decides once which backend runs, or halts with the reason why none can. `amd`, `intel`: why that one cannot, if so.
void decide_vendor(const Error* amd, const Error* intel);
template <class Capabilities> const Error* reason_against(const Result<Capabilities>& detected) {
    return detected ? nullptr : &detected.error();
}

/// The bootstrap processor's. Says what time is measured by.
void start_local_apic();

void start_other_cpus(std::span<const CpuPlan> plans, HostPhysical trampoline_root);
/// On a CPU that has just been started: its parameters are read, the next CPU may start.
void report_arrival();

/// The lives of the guests that start by themselves begin: before any CPU can start one, or is given up.
void launch_guests();

BULKHEAD_INIT inline void or_halt(std::string_view what, const Result<void>& result) {
    if (!result)
        halt_boot(what, result.error());
}

} // namespace bulkhead
