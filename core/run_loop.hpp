// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// The life of a core: enter, decode, decide, apply. Generic over the vendor; the decisions are plain functions in
// core/handlers and the policy files. docs/exit-path.md walks through it.
//
// It is no object: what it works on is at constant addresses of the core's private mapping, which an instruction names
// by itself.
#pragma once

#include "core/backend.hpp"
#include "core/clock.hpp"
#include "core/control_access.hpp"
#include "core/cpu.hpp"
#include "core/failure.hpp"
#include "core/guest_operand.hpp"
#include "core/guest_view.hpp"
#include "core/handlers.hpp"
#include "core/instruction_fetch.hpp"
#include "core/life_cycle.hpp"
#include "core/local_apic_of_cpu.hpp"
#include "core/machine.hpp"
#include "core/run_cpu_steps.hpp"
#include "devices/port_map.hpp"

namespace bulkhead {

template <Backend B> class RunLoop {
public:
    /// While booting: the core's guest is built, if this is its first vCPU, and starts by itself.
    [[gnu::noinline, clang::minsize]] static void begin() {
        backend().set_parked(true);
        serve_guest();
    }

    [[noreturn]] static void run() {
        cpu().exit_tsc = static_cast<u32>(arch::read_tsc());
        if (core().activity.load() == Activity::Active) // as nobody is at the boot but a guest's first vCPU
            note_entry(*core().guest);
        serve_requests(); // of a signal that came before NMIs were held back
        for (;;) {
            const VmExit exit = backend().enter();
            count(exit.reason);
            // Those whose cost matters are served out of registers; for the rest the exit is decoded once more, in
            // full.
            if (exit.reason == ExitReason::Io && !exit.io.string)
                on_io(exit.io, exit.next_rip);
            else if (exit.reason == ExitReason::Cpuid)
                on_cpuid(exit.next_rip);
            else if (apart(exit.reason) == ExitReason::Hypercall)
                on_hypercall(exit.next_rip);
            else if (const Vcpu* receiver = receiver_of_interrupt(apart(exit.reason)))
                send_interrupt(*receiver, exit.next_rip);
            else
                dispatch(backend().last_exit());
        }
    }

    /// The core's guest, if it has one, runs no more: stopped or failed by whoever called this.
    [[gnu::noinline, clang::minsize]] static void leave() {
        cpu().paused = false;
        cpu().refusals = {};
        if (core().activity.load() == Activity::Off)
            return;
        backend().set_parked(true);
        local_apic().reset_for_guest();
        leave_guest(core());
    }

    /// After a fault of the hypervisor's own while it served the guest.
    static void abandon() {
        {
            const LockGuard lock(core().guest->life_lock, lock_owner());
            core().guest->last_failure = {"a fault of the hypervisor while it served it", core().id, 0};
        }
        begin_stop(*core().guest, StopReason::Failed, &core());
        leave();
        cpu().in_failure = false;
    }

private:
    /// Requests of which a paused vCPU hears.
    static constexpr u32 heard_in_pause = request_stop | request_pause | request_scrub;

    static B& backend() { return this_backend<B>(); }
    static Cpu& cpu() { return this_cpu(); }
    static Vcpu& core() { return *this_cpu().core; }

    /// The same, but the compiler cannot know: it would ask first whether it is this or one of those before it.
    static ExitReason apart(ExitReason reason) {
        asm("" : "+r"(reason));
        return reason;
    }

    /// The index is proven: an enumerator of ExitReason.
    static void count(ExitReason reason) { ++core().exits.data()[static_cast<u32>(reason)]; }

    [[gnu::noinline]] static void dispatch(const VmExit& exit) {
        using enum ExitReason;
        switch (exit.reason) {
        case Cpuid:
        case Hypercall: // run() has served them
            return;
        case Io:
            return on_string_io(exit);
        case MsrRead:
            return on_msr_read(exit);
        case MsrWrite:
            return on_msr_write(exit);
        case SecondStageFault:
            return on_second_stage_fault(exit);
        case Nmi:
            return on_nmi();
        case ControlRegister:
            return on_control_register(exit);
        case XSetBv:
            return on_xsetbv(exit);
        case CacheInvalidate: // of a guest without devices: nothing to write back that anybody would see
        case Needless:
            return on_ignored(exit);
        case UndefinedInstruction:
            return inject(undefined_instruction);
        case RefusedInstruction:
            return inject(general_protection);
        case DebugException:
        case AlignmentCheck:
            if (exit.reason == AlignmentCheck || backend().take_debug_exception())
                inject(exit.reason == AlignmentCheck ? alignment_check : debug_exception);
            return on_nmi(); // the next one may come before any NMI, and before the preemption timer
        // A PC has FERR# interrupt by way of its 8259s, which this machine has not: the guest finds NE as good as 1,
        // which it always is on VT-x.
        case FloatingPointError:
            return inject(floating_point_error);
        case NmiWindow:
            return backend().nmi_window();
        case Init: // the physical signal, which no guest can send: platforms use it for warm resets of one CPU
            return;
        case MachineCheck:
            end_machine_check();
            return fail(exit, "machine check: the hardware reported an error on this core", 0);
        case TaskSwitch:
            return fail(exit, "task switch by the CPU, which is not emulated", exit.raw[1]);
        case TripleFault:
            return fail(exit, "triple fault", 0);
        case EntryFailure:
            backend().explain_refusal(core());
            return fail(exit, "the CPU refused the guest's state", exit.raw[0]);
        case Unknown:
            return fail(exit, "exit that nothing of ours asks for", exit.raw[0]);
        }
    }

    [[gnu::always_inline]] static void on_cpuid(u64 next_rip) {
        if (!complete(next_rip, intercepted_cpuid)) [[unlikely]]
            return;
        Registers& registers = cpu().registers;
        const CpuidRegisters& answer =
            cpu().vcpu.cpuid.lookup(static_cast<u32>(registers.rax()), static_cast<u32>(registers.rcx()));
        registers.rax() = answer.eax;
        registers.rbx() = answer.ebx;
        registers.rcx() = answer.ecx;
        registers.rdx() = answer.edx;
    }

    /// If the exit is an ICR write as most are, of a fixed interrupt to one vCPU, which runs: that one.
    [[gnu::always_inline]] static const Vcpu* receiver_of_interrupt(ExitReason reason) {
        if (reason != ExitReason::MsrWrite || cpu().registers.rcx() != drivers::apic::ICR)
            return nullptr;
        const std::optional<u32> id = only_receiver(cpu().registers.edx_eax(), core().id);
        if (!id || *id >= cpu().vcpu.receivers.size())
            return nullptr;
        const Vcpu* receiver = cpu().vcpu.receivers.data()[*id];
        return receiver->activity.load(std::memory_order_relaxed) == Activity::Active ? receiver : nullptr;
    }

    [[gnu::always_inline]] static void send_interrupt(const Vcpu& receiver, u64 next_rip) {
        const u64 value = cpu().registers.edx_eax();
        if (!complete(next_rip, intercepted_wrmsr)) [[unlikely]]
            return;
        cpu().vcpu.apic.set_icr(value);
        static_cast<void>(local_apic().send_ipi(receiver.apic_id, drivers::IpiMode::Fixed, static_cast<u8>(value)));
    }

    [[gnu::always_inline]] static void on_io(IoAccess io, u64 next_rip) {
        if (find_port_device(io.port) != PortDevice::None)
            return on_device_port(io, next_rip);
        Registers& registers = cpu().registers;
        if (io.in)
            registers.rax() = merge_port_value(registers.rax(), ~0u, io.size);
        backend().advance(next_rip);
    }

    [[gnu::noinline]] static void on_device_port(IoAccess io, u64 next_rip) {
        Registers& registers = cpu().registers;
        PowerRequest power = PowerRequest::None;
        if (io.in)
            registers.rax() =
                merge_port_value(registers.rax(), read_device_port(*core().guest, io.port, io.size), io.size);
        else
            power = write_device_port(*core().guest, io.port, io.size, static_cast<u32>(registers.rax()));
        backend().advance(next_rip);
        if (power != PowerRequest::None)
            stop(power == PowerRequest::Reset ? StopReason::Reset : StopReason::PowerOff);
    }

    [[clang::minsize]] static void on_msr_read(const VmExit& exit);
    [[clang::minsize]] static void on_msr_write(const VmExit& exit);
    static void write_apic(const VmExit& exit, u32 number, u64 value);
    [[clang::minsize]] static void change_apic_mode(bool reset);
    [[clang::minsize]] static void on_string_io(const VmExit& exit);
    static void on_second_stage_fault(const VmExit& exit);
    [[clang::minsize]] static void on_control_register(const VmExit& exit);
    [[clang::minsize]] static std::expected<RamOperand, GuestFault> locate_word(const Instruction& instruction);
    [[clang::minsize]] static void finish(const EmulationResult& result, const VmExit& exit, unsigned length);
    [[clang::minsize]] static void write_tsc(u64 value);
    [[clang::minsize]] static void apply(const ControlUpdate& update);

    [[gnu::noinline]] static void on_hypercall(u64 next_rip) {
        // Only kernels: a process of the guest's could otherwise ask in its name.
        if (backend().paging().cpl != 0)
            return inject(undefined_instruction);
        if (complete(next_rip, backend().hypercall_instruction()))
            cpu().registers.rax() = hypercall(core(), cpu().registers);
    }

    [[clang::minsize]] static void on_ignored(const VmExit& exit) {
        const Result<Instruction> instruction = fetch();
        if (!instruction)
            return refuse(exit, instruction.error().what, instruction.error().value);
        cpu().refusals = {};
        if (exit.reason == ExitReason::Needless)
            cpu().registers.set_edx_eax(backend().guest_tsc()); // RDTSC
        backend().advance(backend().rip() + instruction->length);
    }

    [[clang::minsize]] static void on_xsetbv(const VmExit& exit) {
        const Registers& registers = cpu().registers;
        const u64 value = registers.edx_eax();
        if ((backend().controls().cr4 & cr4::OSXSAVE) == 0) // TCG exits before it looks
            return inject(undefined_instruction);
        if (backend().paging().cpl != 0 || static_cast<u32>(registers.rcx()) != 0 ||
            !is_valid_xcr0(value, cpu().vcpu.cpuid.xcr0_mask))
            return inject(general_protection);
        if (!complete_any(exit.next_rip, intercepted_xsetbv))
            return;
        arch::write_xcr0(value);
        update_cpuid();
    }

    static void on_nmi() {
        backend().take_nmi();
        serve_requests();
    }

    /// Whether the guest is what enter() runs.
    [[nodiscard]] static bool is_active() { return core().activity.load() == Activity::Active && !cpu().paused; }

    /// What may take long: a guest's memory is copied and hashed in it. enter.S counts ticks in 32 bits, a second or
    /// two, and so has only the rest of the exit to count.
    [[gnu::noinline, clang::minsize]] static void serve_requests() {
        const u64 begin = arch::read_tsc();
        serve_all_requests();
        const u64 ticks = arch::read_tsc() - begin;
        core().hypervisor_ticks += ticks;
        cpu().exit_tsc += static_cast<u32>(ticks);
    }

    [[gnu::noinline, clang::minsize]] static void serve_all_requests() {
        if (cpu().index == machine.service_cpu && machine.unentered.load() == 0 &&
            machine.boot.success.name.value != 0) { // first: of what signals come meanwhile only their requests stay
            backend().hold_interrupts(false);       // firmware may need its system management mode (APM 2 15.17)
            remember_success();
            backend().hold_interrupts(true);
        }
        serve_guest();
        serve_others(core());
        if (cpu().index == machine.service_cpu &&
            (core().requests.fetch_and(~u32{request_serve | request_all_off}) & request_all_off) != 0 &&
            all_guests_off()) {
            if (machine.boot.when_off != WhenOff::Stay)
                backend().release_cpu();
            end_machine();
        }
    }

    /// Makes all that depends on the APIC's mode follow it, and on its timer's, and on whether EOIs exit.
    [[gnu::noinline, clang::minsize]] static void show_apic_mode() {
        const VirtualApic& apic = cpu().vcpu.apic;
        const bool is_x2apic = apic.mode() == ApicMode::X2Apic;
        cpu().vcpu.receivers = is_x2apic ? core().guest->vcpus : std::span<Vcpu* const>();
        core().xapic_address.store(apic.address());
        ApicExits exits = apic.is_periodic() ? ApicExits::Counts : ApicExits::Least;
        if (core().guest->eoi_exits.load())
            exits = ApicExits::Eoi;
        backend().set_apic_exits(is_x2apic ? exits : ApicExits::All);
        if (apic.mode() == ApicMode::Disabled) // it takes no interrupts, but our NMIs (SDM 3A 11.4.7.2)
            local_apic().write(drivers::apic::SVR, drivers::apic::SpuriousInterruptVector::Vector::mask);
    }

    /// Until nothing more is asked: while interrupts were let through, a signal may have come that told nobody. But
    /// vCPUs can ask each other without end, and clock and consoles are everybody's.
    static void serve_guest() {
        constexpr unsigned patience = 4;
        for (unsigned i = 0; i < patience; ++i) {
            serve_guest_once();
            const u32 heard = cpu().paused ? heard_in_pause : ~u32{request_serve | request_all_off};
            if ((core().requests.load() & heard) == 0)
                return;
        }
        kick(core(), request_eoi); // any request will do: it comes back by the NMI
    }

    [[gnu::noinline, clang::minsize]] static void serve_guest_once() {
        u32 requests = core().requests.fetch_and(request_serve | request_all_off);
        if ((requests & request_stop) != 0) {
            if (is_to_leave(core()))
                leave();
            requests &= request_scrub; // the others were for the life that is over
        }
        if ((requests & request_scrub) != 0)
            scrub(*core().guest);
        if ((requests & request_start) != 0)
            start_guest();
        if (core().activity.load() == Activity::Off)
            return;
        if (const bool paused = core().guest->paused.load(); paused != cpu().paused)
            set_paused(paused);
        if (cpu().paused) {
            // What else was asked waits until it goes on, which is a request, too.
            core().requests.fetch_or(requests & ~u32{request_start | heard_in_pause});
            return;
        }
        if ((requests & request_init) != 0 && is_active())
            wait_for_sipi();
        if ((requests & request_start_up) != 0 && core().activity.load() == Activity::WaitForSipi)
            start_up(core().start_up_vector.load());
        if (!is_active())
            return;
        if ((requests & request_input) != 0)
            take_input(*core().guest);
        show_apic_mode();
        if ((requests & (request_nmi | request_init)) == request_nmi) // an INIT beside it takes it away
            backend().raise_guest_nmi();
    }

    /// The vCPU stays as it is, and interrupts for it stay pending in its APIC. Its clocks go on: what Linux would take
    /// for a lockup, PVCLOCK_GUEST_STOPPED explains.
    [[gnu::noinline, clang::minsize]] static void set_paused(bool paused) {
        cpu().paused = paused;
        if (core().activity.load() != Activity::Active)
            return;
        backend().set_parked(paused);
        if (!paused)
            static_cast<void>(set_system_time(*core().guest, cpu().vcpu, cpu().vcpu.msrs.kvm_system_time,
                                              backend().tsc_offset(), true));
    }

    /// A life of the guest begins, on its first vCPU.
    [[gnu::noinline, clang::minsize]] static void start_guest() {
        const std::optional<EntryState> entry = renew(core());
        if (!entry)
            return stop(StopReason::Unstartable);
        renew_vcpu();
        backend().reset(*entry);
        finish_start();
        if (machine.go.load())
            note_entry(*core().guest);
    }

    /// Nothing of what the vCPU was is left, if that was in another life; of this one, what an INIT leaves.
    static void renew_vcpu() {
        cpu().refusals = {};
        backend().hold_interrupts(false);
        discard_interrupts();
        backend().hold_interrupts(true);
        if (core().is_new.load())
            prepare_vcpu_state(cpu(), core());
        else
            cpu().vcpu.apic.reset();
    }

    static void finish_start() {
        if (core().is_new.exchange(false))
            backend().set_tsc_offset(0);
        show_apic_mode();
        backend().set_parked(false);
        core().activity.store(Activity::Active);
    }

    /// INIT: the vCPU runs no more until a start-up IPI.
    [[gnu::noinline, clang::minsize]] static void wait_for_sipi() {
        core().activity.store(Activity::WaitForSipi); // from here on its siblings send it no interrupts
        backend().set_parked(true);
        local_apic().reset_for_guest();
    }

    /// SDM 3A 9.4.3 and table 10-1: what an INIT leaves is in force here, where it can be seen first. No interrupt of
    /// the vCPU's old life arrives in this one.
    [[gnu::noinline, clang::minsize]] static void start_up(u8 vector) {
        renew_vcpu();
        constexpr u32 version_information = 1; // EDX after a reset is what CPUID has in EAX
        backend().start_up(vector);
        backend().show_controls(cr0::ET | cpu().vcpu.cr0_guest_bits, 0);
        cpu().registers.rdx() = cpu().vcpu.cpuid.lookup(version_information, 0).eax;
        cpu().vcpu.cr4_mce = false;
        update_cpuid();
        finish_start();
    }

    /// Moves RIP behind the intercepted instruction. False: the guest is to be entered as it is, since the instruction
    /// is not there any more, or it was stopped.
    [[gnu::always_inline]] static bool complete(u64 next_rip, const InterceptedInstruction& expected) {
        if (!B::reports_next_rip && next_rip == 0) {
            const u64 rip = backend().rip();
            unsigned length = 0;
            if (backend().is_common_code()) [[likely]]
                length = instruction_length_fast(core().guest->memory, backend().cr3(), rip, expected);
            if (length == 0) [[unlikely]] {
                length = decode_length(expected.operation);
                if (length == 0)
                    return false;
            }
            next_rip = rip + length;
        }
        backend().advance(next_rip);
        return true;
    }

    /// The same for exits whose cost does not count.
    [[gnu::noinline]] static bool complete_any(u64 next_rip, const InterceptedInstruction& expected) {
        return complete(next_rip, expected);
    }

    [[gnu::noinline, clang::minsize]] static unsigned decode_length(Operation expected) {
        const Result<unsigned> length =
            instruction_length(core().guest->memory, backend().paging(), code_location(backend()), expected);
        if (!length)
            refuse(backend().last_exit(), length.error().what, length.error().value);
        return length.value_or(0);
    }

    [[gnu::noinline, clang::minsize]] static Result<Instruction> fetch() {
        return fetch_and_decode(core().guest->memory, backend());
    }

    [[gnu::noinline, clang::minsize]] static void inject(GuestException exception) {
        ++core().injected;
        cpu().refusals = {};
        if (!backend().inject(exception))
            shut_down();
    }

    /// A fault of an access that we made in the guest's place.
    [[gnu::noinline, clang::minsize]] static void inject_fault(const GuestFault& fault, const VmExit& exit);
    [[gnu::noinline, clang::minsize]] static void shut_down();

    [[clang::minsize]] static void update_cpuid() {
        cpu().vcpu.cpuid.update({.cr4 = guest_controls(backend(), cpu().vcpu).cr4,
                                 .xcr0 = has_xsave() ? arch::read_xcr0() : 1,
                                 .apic_enabled = cpu().vcpu.apic.mode() != ApicMode::Disabled});
    }
    [[nodiscard]] static bool has_xsave() { return cpu().vcpu.cpuid.xcr0_mask != 0; }

    [[gnu::noinline, clang::minsize]] static void stop(StopReason reason) {
        begin_stop(*core().guest, reason, &core());
        leave();
    }

    /// What exited cannot be carried out: perhaps another CPU of the guest has changed the code or its page tables
    /// since, so it is entered again as it is. Where that does not help, a kernel's guest is stopped; a process gets
    /// #UD.
    [[gnu::noinline, clang::minsize]] static void refuse(const VmExit& exit, std::string_view what, u64 value) {
        constexpr u32 patience = 1000;
        const bool is_process = backend().paging().cpl == 3; // it must not stop its guest
        u32& refusals = cpu().refusals[is_process ? 1 : 0];
        // CPUs that work in step, as Bochs' do, meet the same each time but for a wait that follows no rule.
        for (u32 i = refusals * 0x9e3779b9 >> 26; i != 0; --i)
            arch::pause();
        if (++refusals < patience)
            return;
        if (is_process)
            return inject(undefined_instruction);
        fail(exit, what, value);
    }

    [[gnu::noinline, clang::minsize]] static void fail(const VmExit& exit, std::string_view what, u64 value) {
        if (!is_active()) // the parked context: there is nothing to stop
            return report_parked_failure(core(), exit);
        backend().load_rsp();
        print_failure(core(),
                      {.what = what,
                       .value = value,
                       .reason = exit.reason,
                       .raw = {exit.raw[0], exit.raw[1], exit.raw[2]},
                       .rip = backend().rip(),
                       .paging = backend().paging()},
                      cpu().registers);
        stop(StopReason::Failed);
    }
};

} // namespace bulkhead

#include "core/run_loop_slow.hpp" // the exits whose cost does not count
