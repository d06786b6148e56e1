// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "core/clock.hpp"

#include <algorithm>

#include "arch/x86_64/hardware.hpp"
#include "base/init.hpp"
#include "core/console.hpp"
#include "core/life_cycle.hpp"
#include "core/machine.hpp"
#include "core/service.hpp"
#include "drivers/hpet.hpp"
#include "drivers/pit.hpp"

namespace bulkhead {

namespace {

enum class Timer : u8 { None, Hpet, Pit };
constexpr u32 nobody = ~0u;
constexpr u64 longest_step = 4000; // milliseconds: its ticks of the TSC times Hz are 64 bits

constinit Spinlock clock_lock; // of the devices too, once one is taken
constinit arch::DeviceRegisters hpet_registers;
constinit arch::CpuPorts ports;
constinit drivers::Hpet hpet(hpet_registers);
constinit drivers::Pit pit(ports);
constinit Timer timer BULKHEAD_GUARDED_BY(clock_lock){};
constinit NmiPin pin BULKHEAD_GUARDED_BY(clock_lock);
constinit std::atomic<u32> rings_for{nobody};             // the CPU; read without the lock
constinit std::atomic<u64> service_deadline{0};           // TSC, as Guest::deadline
constinit u64 set_to BULKHEAD_GUARDED_BY(clock_lock) = 0; // the deadline for which it rings

BULKHEAD_INIT Result<NmiPin> find_masked(const drivers::IsaInterrupt& interrupt) {
    const Result<NmiPin> found = find_nmi_pin(interrupt);
    if (found)
        if (const Result<void> masked = mask_nmi(*found); !masked)
            return std::unexpected(masked.error());
    return found;
}

BULKHEAD_INIT u32 pin_bit(u32 isa_irq) {
    const u32 gsi = drivers::find_isa_interrupt(isa_irq, handed(machine.boot.overrides)).gsi;
    return gsi < 32 ? 1u << gsi : 0;
}

/// The interrupts of consoles, a bit each.
BULKHEAD_INIT u32 console_pins() {
    u32 pins = pin_bit(machine.boot.console_irq);
    for (const Guest& guest : machine.guests)
        pins |= guest.port.present ? pin_bit(guest.info->console_irq) : 0;
    return pins;
}

BULKHEAD_INIT Result<NmiPin> start_hpet() {
    if (machine.boot.acpi.hpet.value == 0)
        return fail("HPET: ACPI tells of none");
    pit.stop(); // its pin may be the one that the HPET takes
    hpet_registers = arch::DeviceRegisters(machine.boot.acpi.hpet);
    const Result<u32> gsi = hpet.start(~console_pins());
    return gsi ? find_masked({.gsi = *gsi}) : std::unexpected(gsi.error());
}

BULKHEAD_INIT Result<NmiPin> start_pit() {
    const Result<void> started = pit.start();
    return started ? find_masked(drivers::find_isa_interrupt(0, handed(machine.boot.overrides)))
                   : std::unexpected(started.error());
}

template <class T> void rearm(T& device) BULKHEAD_REQUIRES(clock_lock) {
    u64 due = service_deadline.load();
    const Vcpu* core = nullptr;
    for (const Guest& guest : machine.guests)
        if (const u64 deadline = guest.deadline.load(); deadline != 0 && (due == 0 || deadline < due)) {
            due = deadline;
            core = guest.vcpus[0];
        }
    if (core == nullptr || !core->present.load() || core->apic_id > 254) // what an I/O APIC can reach
        core = &machine.cores[machine.service_cpu];
    // Who changes a deadline of his own as often as he likes does not keep another's from ringing.
    if (due == set_to && rings_for.load() == core->cpu)
        return;
    rings_for.store(nobody);
    device.stop();
    if (due == 0)
        return static_cast<void>(mask_nmi(pin)); // start_clock() has seen that it is there
    set_to = due;
    rings_for.store(core->cpu);
    static_cast<void>(route_nmi(pin, core->apic_id));
    const u64 left = std::min(due - std::min(due, arch::read_tsc()), longest_step * machine.boot.clocks.tsc_khz);
    device.arm(left * device.hz() / (machine.boot.clocks.tsc_khz * 1000) + 1);
}

} // namespace

BULKHEAD_INIT void start_clock() {
    Timer chosen = Timer::Hpet;
    Result<NmiPin> found = start_hpet();
    if (!found) {
        chosen = Timer::Pit;
        found = start_pit();
    }
    {
        const LockGuard lock(clock_lock, lock_owner());
        timer = found ? chosen : Timer::None;
        pin = found.value_or(NmiPin{});
    }
    if (!found) {
        Log() << "timeouts do not work: " << found.error().what << " (" << Hex{found.error().value} << ")";
        return;
    }
    Log() << "timeouts by the " << (chosen == Timer::Hpet ? "HPET" : "PIT") << ", pin " << found->pin;
    rearm_clock(); // some may be pending
}

bool rearm_clock() {
    const LockGuard lock(clock_lock, lock_owner());
    if (timer == Timer::Hpet)
        rearm(hpet);
    else if (timer == Timer::Pit)
        rearm(pit);
    return timer != Timer::None;
}

bool clock_rings(const Vcpu& core) {
    if (rings_for.load(std::memory_order_relaxed) != core.cpu) [[likely]]
        return false;
    const LockGuard lock(clock_lock, lock_owner());
    if (rings_for.load() != core.cpu || !(timer == Timer::Hpet ? hpet.has_rung() : pit.has_rung()))
        return false; // another signal
    rings_for.store(nobody);
    return true;
}

bool give_up_clock_lock() {
    const bool held = clock_lock.give_up(lock_owner());
    if (held)
        rings_for.store(nobody);
    return held;
}

void serve_again(u64 since) {
    Vcpu& core = machine.cores[machine.service_cpu];
    if (core.activity.load() == Activity::Active) { // else nobody misses the CPU
        const u64 now = arch::read_tsc();
        service_deadline.store(now + (now - since) + machine.boot.clocks.tsc_khz);
        if (rearm_clock())
            return;
    }
    kick(core, request_serve);
}

void expire_timeouts(const Vcpu& core) {
    if (core.cpu == machine.service_cpu) // which looks for what there is to serve now
        service_deadline.store(0);
    for (Guest& guest : machine.guests)
        expire(guest);
    rearm_clock();
}

void serve_others(const Vcpu& core) {
    if (clock_rings(core))
        expire_timeouts(core);
    if (core.cpu == machine.service_cpu)
        console::serve();
}

} // namespace bulkhead
