// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "core/run_cpu_steps.hpp"

#include <algorithm>
#include <new>

#include "arch/x86_64/control_bits.hpp"
#include "arch/x86_64/descriptor_tables.hpp"
#include "arch/x86_64/hardware.hpp"
#include "arch/x86_64/msr_numbers.hpp"
#include "arch/x86_64/speculation.hpp"
#include "base/init.hpp"
#include "core/boot_report.hpp"
#include "core/console.hpp"
#include "core/life_cycle.hpp"
#include "core/local_apic_of_cpu.hpp"
#include "core/machine.hpp"
#include "core/service.hpp"
#include "core/vcpu_start.hpp"

namespace bulkhead {

BULKHEAD_INIT Cpu& initialize_cpu(u32 index) {
    Cpu& cpu = *new (&this_cpu()) Cpu;
    cpu.index = index;
    cpu.core = &machine.cores[index];
    build_gdt(cpu.gdt, cpu.tss);
    cpu.tss.ist[0] = layout::per_cpu_fault_stack + layout::per_cpu_fault_stack_size;
    load_descriptor_tables(cpu.gdt);
    // EM and TS are clear: the guest's FPU state stays in the CPU, and its XSETBV is executed here.
    arch::write_cr0((arch::read_cr0() | cr0::WP | cr0::NE | cr0::MP) & ~(cr0::EM | cr0::TS | cr0::CD | cr0::NW));
    const bool has_xsave = (arch::cpuid(1).ecx & bit_of(CpuFeature::XSAVE)) != 0;
    arch::write_cr4(cr4::PAE | cr4::MCE | cr4::OSFXSR | cr4::OSXMMEXCPT | cr4::PGE | (has_xsave ? cr4::OSXSAVE : 0));
    if (has_xsave)
        arch::write_xcr0(xcr0::X87);
    // What firmware may have changed. Our tables use write-back and uncached only, which this and host_pat mean alike;
    // where an emulator has one PAT for host and guest, the guest finds the one of a reset.
    constexpr u64 pat_at_reset = 0x0007'0406'0007'0406;
    arch::write_msr(msr::IA32_PAT, pat_at_reset);
    if (const Result<void> enabled = enable_local_apic(); !enabled)
        leave_out_cpu(*cpu.core, enabled.error());
    cpu.apic_id = local_apic().id();
    return cpu;
}

void prepare_vcpu_state(Cpu& cpu, Vcpu& core) {
    VcpuState& state = cpu.vcpu;
    const VcpuStart& start = handed(core.guest->info->vcpus)[core.id];
    state.cpuid = start.cpuid;
    state.msrs = start.msrs;
    state.apic = VirtualApic(core.id, state.cpuid.has(CpuFeature::TSC_DEADLINE));
    state.cr0_guest_bits = core.id == 0 ? 0 : cr0::CD | cr0::NW; // as after power-up: no loader has set them
    state.cr4_mce = false;
    reset_extended_state(state.cpuid.xcr0_mask);
    flush_branch_predictors();
    flush_l1_data_cache();
}

BULKHEAD_INIT void wait_for_go(Cpu& cpu) {
    if (cpu.index == 0) {
        for (const Vcpu& core : machine.cores)
            while (!core.ready.load())
                arch::pause();
        machine.service_cpu = choose_service_cpu();
        // What those who have ended already have asked of it.
        machine.cores[machine.service_cpu].requests.fetch_or(machine.cores[0].requests.load() & request_all_off);
        announce_start();
        open_guest_ports();
    } else {
        while (!machine.go.load())
            arch::pause();
    }
    if (cpu.index == machine.service_cpu)
        start_service();
    machine.go.store(true); // CPU 0 does it, and the others leave it so
}

bool end_machine_check() {
    constexpr u64 processor_context_corrupt = u64{1} << 57; // SDM 3B 16.3.2.2
    bool corrupt = false;
    const u64 end = msr::IA32_MC0_STATUS + 4 * std::min<u64>(arch::read_msr(msr::IA32_MCG_CAP) & 0xff, 32);
    for (u32 number = msr::IA32_MC0_STATUS; number < end; number += 4)
        if (const u64 status = arch::read_msr(number); status >> 63 != 0) {
            Record() << "machine check: bank " << (number - msr::IA32_MC0_STATUS) / 4 << ", status " << Hex{status};
            corrupt |= (status & processor_context_corrupt) != 0;
            arch::write_msr(number, 0);
        }
    arch::write_msr(msr::IA32_MCG_STATUS, 0);
    return corrupt;
}

bool on_private_stack(u64 stack) { return stack >= layout::per_cpu && stack < layout::per_cpu_end; }

void give_up_cpu(Vcpu& core) {
    core.present.store(false);
    if (core.activity.load() != Activity::Off) {
        if (core.id == 0 || core.ready.load())
            begin_stop(*core.guest, StopReason::Failed, &core);
        leave_guest(core);
    }
    core.ready.store(true);
}

BULKHEAD_INIT void leave_out_cpu(Vcpu& core, const Error& error) {
    if (core.cpu == 0) // who leads the others
        halt_boot("CPU 0 cannot run guests", error);
    Log() << "CPU " << core.cpu << " (APIC ID " << core.apic_id << ") cannot run guests: " << error.what << " ("
          << Hex{error.value} << ")";
    give_up_cpu(core);
    arch::stop();
}

BULKHEAD_INIT void halt_boot(std::string_view what, const Error& error) {
    Record() << "not started: " << what << ": " << error.what << " (" << Hex{error.value} << ")";
    arch::stop();
}

} // namespace bulkhead
