// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// Exceptions in the hypervisor itself. The NMI is our signal; all else is a broken invariant: it costs the guest of
// this core, and the machine only if something shared may be half changed.
#include <utility>

#include "arch/x86_64/entry.hpp"
#include "arch/x86_64/exceptions.hpp"
#include "arch/x86_64/instructions.hpp"
#include "core/clock.hpp"
#include "core/console.hpp"
#include "core/cpu.hpp"
#include "core/machine.hpp"
#include "core/resume.hpp"
#include "core/run_cpu_steps.hpp"

namespace bulkhead {

namespace {

constexpr u64 nmi_vector = 2, machine_check_vector = 18;

void describe(Text& line, const ExceptionFrame& frame) {
    line << exception_name(frame.vector) << " (" << Hex{frame.error_code} << ") at " << Hex{frame.rip, 16} << ", cr2 "
         << Hex{arch::read_cr2(), 16} << ", rsp " << Hex{frame.rsp, 16} << ", APIC ID "
         << arch::cpuid(1).ebx / 0x1000000;
}

void print_registers(const ExceptionFrame& frame) {
    for (u32 first = 0; first < 16; first += 4) {
        Line<160> line;
        line << "hypervisor:";
        for (u32 i = first; i < first + 4; ++i)
            line << " r" << i << " " << Hex{frame.gpr[i], 16};
        console::emergency(line.view());
    }
}

void panic(const ExceptionFrame& frame) {
    Line<160> line;
    describe(line << "hypervisor: ", frame);
    console::emergency(line.view());
    print_registers(frame);
    const bool reboots = machine.boot.on_panic == OnPanic::Reboot;
    console::emergency(reboots ? "hypervisor: something shared may be damaged; the machine reboots"
                               : "hypervisor: something shared may be damaged; this core stops");
    if (reboots)
        reset_machine();
}

/// What this CPU holds, others would wait for. Whether it was anything: it may be half changed.
bool give_up_locks() {
    bool any = console::give_up_lock();
    any |= give_up_clock_lock();
    for (Guest& guest : machine.guests) {
        any |= guest.devices_lock.give_up(lock_owner());
        any |= guest.life_lock.give_up(lock_owner());
    }
    return any;
}

/// For good; the clock looks for another core to ring for.
[[noreturn]] void stop_core(Vcpu& core) {
    give_up_cpu(core);
    rearm_clock();
    arch::stop();
}

} // namespace

extern "C" void handle_exception(const ExceptionFrame& frame) {
    const bool own_tables = on_private_stack(reinterpret_cast<u64>(&frame));
    if (frame.vector == nmi_vector) {
        if (!own_tables)
            return;
        ++this_cpu().nmis;
        nmi_outside_of_guest();
        return;
    }
    if (!own_tables) {
        panic(frame);
        arch::stop();
    }
    Cpu& cpu = this_cpu();
    if ((arch::read_cr3() & ~(page_size - 1)) == cpu.firmware_root.value) {
        describe(Record() << "the firmware failed: ", frame);
        __builtin_longjmp(firmware_fault, 1);
    }
    bool shared = give_up_locks();
    const bool again = std::exchange(cpu.in_failure, true);
    if (frame.vector == machine_check_vector && !again)
        shared |= end_machine_check();
    if (shared || again || !machine.go.load() || cpu.core->activity.load() != Activity::Active) {
        panic(frame);
        if (!again)
            stop_core(*cpu.core);
        if (cpu.core->present.exchange(false)) // else it is the third, or stop_core's
            rearm_clock();
        arch::stop();
    }
    Record() << "guest " << cpu.core->guest->name << " vCPU " << cpu.core->id
             << " stopped: a fault of the hypervisor while it served it";
    describe(Record() << "hypervisor: ", frame);
    // The stack below is given up: the core goes on in its run loop, without its guest.
    continue_on_stack(arch::read_cr3(), layout::per_cpu_stack + layout::per_cpu_stack_size, resume_without_guest,
                      cpu.index);
}

} // namespace bulkhead

// What libc++ calls where it cannot throw: std::optional::value(), std::string_view::substr() and their like.
_LIBCPP_BEGIN_NAMESPACE_STD
[[noreturn]] void __libcpp_verbose_abort(const char*, ...) { __builtin_trap(); }
_LIBCPP_END_NAMESPACE_STD

// clang's stack protector (-mstack-protector-guard=global).
extern "C" {
bulkhead::u64 __stack_chk_guard = 0x595e9fbd94fda766;
[[noreturn]] void __stack_chk_fail() { __builtin_trap(); }
}
