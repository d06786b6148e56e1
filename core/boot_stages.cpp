// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "core/boot_stages.hpp"

#include <atomic>

#include "arch/x86_64/control_bits.hpp"
#include "arch/x86_64/descriptor_tables.hpp"
#include "arch/x86_64/exceptions.hpp"
#include "arch/x86_64/instructions.hpp"
#include "arch/x86_64/msr_numbers.hpp"
#include "core/console.hpp"
#include "core/journal.hpp"
#include "core/life_cycle.hpp"
#include "core/local_apic_of_cpu.hpp"
#include "core/machine.hpp"
#include "core/start_cpus.hpp"
#include "version.hpp"

extern "C" bulkhead::ApStartup ap_startup;
extern "C" const bulkhead::u8 init_start[], init_end[], text_start[], text_end[];

namespace bulkhead {

void begin_stage(std::string_view name) {
    Log line;
    machine.boot.stages.begin(name, arch::read_tsc(), line);
}

void take_boot_info(const BootInfo& handed_over) {
    machine.boot = handed_over;
    if (machine.boot.magic != BootInfo::expected_magic || machine.boot.version != BootInfo::expected_version ||
        machine.boot.size != sizeof(BootInfo))
        __builtin_trap(); // loader and hypervisor are one file: this is not a machine that we were started on
    // Tables of ours have no-execute pages, and read-only ones that hold for us too.
    arch::write_msr(msr::EFER, arch::read_msr(msr::EFER) | efer::NXE);
    arch::write_cr0(arch::read_cr0() | cr0::WP);
    __stack_chk_guard ^= arch::read_tsc() << 8; // the lowest byte stays: a string that runs over ends there
}

void start_console() {
    const auto& [screen, screens] = machine.boot.screen; // the firmware's tables map all where it is
    const auto& [log, log_size] = machine.boot.log;
    console::start(machine.boot.console_port, machine.boot.console_divisor,
                   {reinterpret_cast<const drivers::Screen*>(screen.value), screens},
                   {reinterpret_cast<const char*>(log.value), log_size});
    Log() << "hypervisor " << version << ", text " << static_cast<u64>(text_end - text_start) / KiB << " KiB, and "
          << static_cast<u64>(init_end - init_start) / KiB << " KiB while booting, " << machine.boot.cpus.count
          << " CPUs, " << machine.boot.guests.count << " guests";
}

void open_journal() {
    journal.attach(
        {reinterpret_cast<JournalEntry*>(layout::journal), machine.boot.journal.size / sizeof(JournalEntry)});
    for (const JournalEntry& entry : handed(machine.boot.last_records))
        Log() << "before the last reset: " << entry.line();
}

void prepare_exceptions() {
    build_idt();
    build_boot_gdt();
    load_boot_descriptors();
}

void decide_vendor(const Error* amd, const Error* intel) {
    if (amd == nullptr)
        machine.vendor = Vendor::Amd;
    else if (intel == nullptr)
        machine.vendor = Vendor::Intel;
    else
        halt_boot("this machine cannot run guests", vendor_of(arch::cpuid(0)) == CpuVendor::Amd ? *amd : *intel);
}

void start_local_apic() {
    set_local_apic_address(machine.boot.acpi.local_apic);
    or_halt("local APIC", enable_local_apic());
    const Clocks& clocks = machine.boot.clocks;
    Log() << "TSC " << clocks.tsc_khz << " kHz by " << clocks.tsc_reference << ", APIC timer "
          << clocks.apic_timer_hz / 1000 << " kHz, "
          << (local_apic().is_x2apic() ? "x2APIC" : "xAPIC: each tick of a guest costs exits");
}

void start_other_cpus(std::span<const CpuPlan> plans, HostPhysical trampoline_root) {
    const std::span<const CpuInfo> cpus = handed(machine.boot.cpus);
    prepare_trampoline(machine.boot.ap_trampoline, trampoline_root);
    send_init_to_all(cpus);
    for (u32 i = 1; i < cpus.size(); ++i) {
        if (start_cpu(cpus[i], i, plans[i].start_root, machine.boot.ap_trampoline))
            continue;
        Log() << "CPU " << i << " (APIC ID " << cpus[i].apic_id << ") did not answer its start-up IPI";
        give_up_cpu(machine.cores[i]);
    }
}

void report_arrival() { std::atomic_ref(ap_startup.arrived).store(1); }

void launch_guests() {
    for (Guest& guest : machine.guests)
        if (guest.info->autostart != 0) {
            ++machine.unentered;
            const LockGuard lock(guest.life_lock, lock_owner());
            launch(guest);
        }
}

} // namespace bulkhead
