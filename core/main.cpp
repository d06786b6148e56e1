// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// The hypervisor's table of contents, and the only file that sees both backends.
#include "arch/x86_64/descriptor_tables.hpp"
#include "arch/x86_64/entry.hpp"
#include "base/init.hpp"
#include "core/boot_stages.hpp"
#include "core/build_machine.hpp"
#include "core/resume.hpp"
#include "core/run_cpu.hpp"
#include "core/run_loop.hpp"
#include "svm/backend.hpp"
#include "vmx/backend.hpp"

namespace bulkhead {

namespace {

constinit std::span<const CpuPlan> cpu_plans; // in the shared area

/// `after_failure`: of the hypervisor's code on this core, whose guest is given up then.
template <class B> [[noreturn]] void run_loop(bool after_failure) {
    if (after_failure)
        RunLoop<B>::abandon();
    RunLoop<B>::run();
}

[[noreturn]] void run_loop_of_this_vendor(bool after_failure) {
    switch (machine.vendor) {
    case Vendor::Amd:
        run_loop<svm::Backend>(after_failure);
    case Vendor::Intel:
        run_loop<vmx::Backend>(after_failure);
    }
    __builtin_unreachable();
}

void enter_run_loop(u32) { run_loop_of_this_vendor(false); }

BULKHEAD_INIT void run_cpu_of_this_vendor(u32 index) {
    const CpuResources& resources = cpu_plans[index].resources;
    switch (machine.vendor) {
    case Vendor::Amd:
        prepare_cpu<svm::Backend>(index, resources);
        break;
    case Vendor::Intel:
        prepare_cpu<vmx::Backend>(index, resources);
    }
    // .init is not in those tables. No page of ours is global: the CPU forgets what it has of it (SDM 3A 4.10.4.1).
    continue_on_stack(resources.host_root.value, layout::per_cpu_stack + layout::per_cpu_stack_size, enter_run_loop, 0);
}

/// What of booting depends on the vendor. The second-stage tables are made as the CPU can walk them.
BULKHEAD_INIT SecondStageFormat prepare_vendor(PagingCapabilities host) {
    switch (machine.vendor) {
    case Vendor::Amd:
        return svm::Backend::second_stage(host);
    case Vendor::Intel:
        use_double_fault_stack();
        return vmx::Backend::second_stage(host);
    }
    __builtin_unreachable();
}

} // namespace

void resume_without_guest(u32) { run_loop_of_this_vendor(true); }

void nmi_outside_of_guest() {
    if (machine.vendor == Vendor::Intel) // AMD-V holds it back while it would be in the way
        this_backend<vmx::Backend>().end_next_entry();
}

extern "C" [[noreturn]] BULKHEAD_INIT void ap_main(u32 index) {
    report_arrival();
    run_cpu_of_this_vendor(index);
    __builtin_unreachable();
}

extern "C" [[noreturn]] BULKHEAD_INIT void hv_main(const BootInfo& handed_over) {
    take_boot_info(handed_over);
    start_console();
    begin_stage("vendor");
    prepare_exceptions();
    decide_vendor(reason_against(svm::Backend::detect()), reason_against(vmx::Backend::detect()));
    begin_stage("memory");
    MachineBuilder builder(machine.boot);
    or_halt("memory", builder.take_over_memory());
    open_journal();
    begin_stage("guests' objects");
    or_halt("guests", builder.create_objects());
    start_local_apic();
    begin_stage("page tables");
    or_halt("page tables", builder.build_tables(prepare_vendor(paging_capabilities())));
    builder.seal();
    cpu_plans = builder.plans();
    launch_guests();
    begin_stage("CPUs and guests");
    start_other_cpus(builder.plans(), builder.trampoline_root());
    continue_on_stack(cpu_plans[0].start_root.value, layout::per_cpu_stack + layout::per_cpu_stack_size,
                      run_cpu_of_this_vendor, 0);
}

} // namespace bulkhead
