// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "core/service.hpp"

#include <utility>

#include "arch/x86_64/control_bits.hpp"
#include "arch/x86_64/descriptor_tables.hpp"
#include "arch/x86_64/entry.hpp"
#include "arch/x86_64/instructions.hpp"
#include "arch/x86_64/speculation.hpp"
#include "base/init.hpp"
#include "core/clock.hpp"
#include "core/console.hpp"
#include "core/cpu.hpp"
#include "core/local_apic_of_cpu.hpp"
#include "core/machine.hpp"

namespace bulkhead {

namespace {

/// A UART's interrupt becomes an edge NMI of the service CPU: it costs nothing until a key is pressed.
BULKHEAD_INIT Result<void> route_uart(u32 irq) {
    const Result<NmiPin> pin = find_nmi_pin(drivers::find_isa_interrupt(irq, handed(machine.boot.overrides)));
    return pin ? route_nmi(*pin, machine.cores[machine.service_cpu].apic_id) : std::unexpected(pin.error());
}

} // namespace

BULKHEAD_INIT Result<NmiPin> find_nmi_pin(const drivers::IsaInterrupt& interrupt) {
    const std::span<const IoApicInfo> io_apics = handed(machine.boot.io_apics);
    const std::optional<drivers::IoApicPin> pin = drivers::find_io_apic_pin(interrupt.gsi, io_apics);
    if (!pin)
        return fail("no I/O APIC has this interrupt", interrupt.gsi);
    return NmiPin{io_apics[pin->io_apic].address, pin->pin, interrupt.active_low};
}

Result<void> route_nmi(const NmiPin& pin, u32 apic_id) {
    arch::DeviceRegisters registers(pin.io_apic);
    return drivers::IoApic(registers).route_nmi(pin.pin, apic_id, pin.active_low);
}

Result<void> mask_nmi(const NmiPin& pin) {
    arch::DeviceRegisters registers(pin.io_apic);
    return drivers::IoApic(registers).mask(pin.pin);
}

BULKHEAD_INIT u32 choose_service_cpu() {
    if (machine.boot.service_cpu < machine.cores.size() && machine.cores[machine.boot.service_cpu].present.load())
        return machine.boot.service_cpu;
    for (const bool is_free : {true, false}) // and an I/O APIC reaches it
        for (const Vcpu& core : machine.cores)
            if ((core.guest == nullptr) == is_free && core.present.load() && core.apic_id < 255)
                return core.cpu;
    return 0;
}

BULKHEAD_INIT void open_guest_ports() {
    for (u32 i = 0; i < machine.guests.size(); ++i) {
        Guest& guest = machine.guests[i];
        const GuestInfo& info = *guest.info;
        if (info.console_port == 0)
            continue;
        Result<void> opened = console::open(guest.port, info.console_port, machine.boot.console_divisor);
        if (opened)
            opened = route_uart(info.console_irq);
        if (!opened) {
            Log() << "guest " << guest.name << ": console-port " << Hex{info.console_port} << ": "
                  << opened.error().what << " (" << Hex{opened.error().value} << "): it shares the hypervisor's port";
            continue;
        }
        guest.port.output = &guest.output;
        guest.port.source = i;
        guest.port.present = guest.port.has_interrupt = machine.console_sources[i].apart = true;
        Log() << "guest " << guest.name << ": its console is the port " << Hex{info.console_port} << ", interrupt "
              << info.console_irq;
    }
}

BULKHEAD_INIT void start_service() {
    const bool wanted = machine.boot.console_port != 0 && machine.boot.console_irq != 0;
    const Result<void> routed = wanted ? route_uart(machine.boot.console_irq) : Result<void>();
    if (!routed)
        Log() << "typed input does not work: " << routed.error().what << " (" << routed.error().value << ")";
    start_clock(); // from here on the I/O APICs are the clock's, under its lock
    console::start_service(machine.console_sources, wanted && routed);
}

void kick(Vcpu& core, VcpuRequest request) {
    core.requests.fetch_or(request);
    if (!machine.go.load() || !core.present.load())
        return;
    static_cast<void>(local_apic().send_ipi(core.apic_id, drivers::IpiMode::Nmi)); // the ID was checked at boot
}

namespace {

// UEFI 2.10 8.5.1: ResetSystem(EfiResetShutdown, EFI_SUCCESS, 0, NULL).
[[noreturn]] void call_reset_system(u32 type) {
    // The firmware's own memory is mapped for this call only. An NMI may come at any instruction, when a CPU whose
    // guest has ended still asks this one for its service, which it no longer can: on these descriptors it is nothing.
    load_boot_descriptors();
    arch::write_cr3(this_cpu().firmware_root.value);
    using ResetSystem = void(__attribute__((ms_abi))*)(u64 type, u64 status, u64 size, void* data);
    reinterpret_cast<ResetSystem>(machine.boot.efi_reset_system.value)(type, 0, 0, nullptr);
    console::emergency("the firmware did not power off: it is safe to switch the machine off now");
    arch::stop();
}

} // namespace

void* firmware_fault[5];

void remember_success() {
    const FirmwareVariable variable = std::exchange(machine.boot.success, {}); // once, however it ends
    alignas(16) u8 guest_fpu[512];
    arch::fxsave(guest_fpu); // the firmware may use it (UEFI 2.10 2.3.4.2)
    arch::reset_fpu();
    flush_branch_predictors();
    const u64 own_root = arch::read_cr3(), own_cr4 = arch::read_cr4();
    arch::write_cr4(own_cr4 & ~cr4::OSXSAVE); // no AVX: the upper halves of the guest's registers stay
    arch::write_cr3(this_cpu().firmware_root.value);
    using SetVariable = u64(__attribute__((ms_abi))*)(u64 name, u64 vendor, u32 attributes, u64 size, u64 data);
    volatile u64 status = ~u64{0};             // of a firmware with a fault
    if (__builtin_setjmp(firmware_fault) == 0) // handle_exception
        status = reinterpret_cast<SetVariable>(machine.boot.efi_set_variable.value)(
            variable.name.value, variable.vendor.value, variable.attributes, variable.size, variable.data.value);
    arch::write_cr3(own_root);
    arch::write_cr4(own_cr4);
    arch::fxrstor(guest_fpu);
    Log() << "all guests that start by themselves run: the firmware " << (status == 0 ? "knows" : "cannot be told")
          << " that this configuration works (" << Hex{status} << ")";
}

void end_machine() {
    if (machine.boot.when_off == WhenOff::Stay)
        return Log() << "all guests are off", void();
    const bool reboots = machine.boot.when_off == WhenOff::Reboot;
    Log() << "all guests are off: " << (reboots ? "rebooting" : "powering off");
    console::flush();
    constexpr u32 efi_reset_warm = 1;
    constexpr u32 efi_reset_shutdown = 2;
    continue_on_stack(arch::read_cr3(), reinterpret_cast<u64>(boot_stack_end), call_reset_system,
                      reboots ? efi_reset_warm : efi_reset_shutdown);
}

} // namespace bulkhead
