// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// The exits of RunLoop whose cost does not count, or that need the instruction decoded. Included by core/run_loop.hpp.
#pragma once

#include "core/mmio_emulation.hpp"
#include "core/string_io.hpp"

namespace bulkhead {

template <Backend B> void RunLoop<B>::on_msr_read(const VmExit& exit) {
    const u32 number = static_cast<u32>(cpu().registers.rcx());
    const MsrResult result = read_msr(cpu().vcpu.msrs, guest_controls(backend(), cpu().vcpu), number);
    u64 value = result.value;
    switch (result.effect) {
    case MsrEffect::Done:
        break;
    case MsrEffect::Apic: {
        const ApicAccess access = cpu().vcpu.apic.read(number);
        if (access.kind != ApicAccess::Kind::Done && access.kind != ApicAccess::Kind::Hardware)
            return inject(general_protection);
        value = access.kind == ApicAccess::Kind::Hardware ? local_apic().read(number) : access.value;
        break;
    }
    case MsrEffect::TscDeadline:
        value = arch::read_msr(msr::IA32_TSC_DEADLINE);
        value = value == 0 ? 0 : value + backend().tsc_offset();
        break;
    case MsrEffect::Tsc:
        value = backend().guest_tsc();
        break;
    case MsrEffect::Unknown:
        report_unknown_msr(core(), cpu().vcpu.reported_msrs, number, false);
        return inject(general_protection);
    case MsrEffect::Fault:
    case MsrEffect::Efer:
    case MsrEffect::KvmWallClock:
    case MsrEffect::KvmSystemTime:
        return inject(general_protection);
    }
    if (complete_any(exit.next_rip, intercepted_rdmsr))
        cpu().registers.set_edx_eax(value);
}

template <Backend B> void RunLoop<B>::on_msr_write(const VmExit& exit) {
    const u32 number = static_cast<u32>(cpu().registers.rcx());
    const u64 value = cpu().registers.edx_eax();
    if (is_x2apic_msr(number)) [[likely]] // the IPIs of a guest: no need to collect its control registers
        return write_apic(exit, number, value);
    const MsrResult result =
        write_msr(cpu().vcpu.msrs, guest_controls(backend(), cpu().vcpu), cpu().vcpu.cpuid, number, value);
    switch (result.effect) {
    case MsrEffect::Done:
        break;
    case MsrEffect::Apic:
        return write_apic(exit, number, value);
    case MsrEffect::Efer: {
        if (!complete_any(exit.next_rip, intercepted_wrmsr))
            return;
        ControlState real = backend().controls();
        real.efer = result.value;
        return backend().set_controls(real);
    }
    case MsrEffect::Tsc:
        if (complete_any(exit.next_rip, intercepted_wrmsr))
            write_tsc(result.value);
        return;
    case MsrEffect::TscDeadline:
        if (complete_any(exit.next_rip, intercepted_wrmsr))
            arch::write_msr(msr::IA32_TSC_DEADLINE, value == 0 ? 0 : value - backend().tsc_offset());
        return;
    case MsrEffect::KvmSystemTime:
        if (!set_system_time(*core().guest, cpu().vcpu, result.value, backend().tsc_offset()))
            return inject(general_protection);
        cpu().vcpu.msrs.kvm_system_time = value;
        break;
    case MsrEffect::KvmWallClock:
        if (!set_wall_clock(*core().guest, result.value))
            return inject(general_protection);
        cpu().vcpu.msrs.kvm_wall_clock = value;
        break;
    case MsrEffect::Unknown:
        report_unknown_msr(core(), cpu().vcpu.reported_msrs, number, true);
        return inject(general_protection);
    case MsrEffect::Fault:
        return inject(general_protection);
    }
    complete_any(exit.next_rip, intercepted_wrmsr);
}

/// The clocks of the guest go on: only its TSC jumps, and the KVM clock's page has to follow.
template <Backend B> void RunLoop<B>::write_tsc(u64 value) {
    backend().set_tsc_offset(value - arch::read_tsc());
    static_cast<void>(
        set_system_time(*core().guest, cpu().vcpu, cpu().vcpu.msrs.kvm_system_time, backend().tsc_offset()));
}

template <Backend B> void RunLoop<B>::write_apic(const VmExit& exit, u32 number, u64 value) {
    VirtualApic apic = cpu().vcpu.apic;
    const ApicAccess access = apic.write(number, value);
    if (access.kind == ApicAccess::Kind::Fault)
        return inject(general_protection);
    // Before the access is carried out: what it sends may arrive with the next entry, behind this instruction.
    if (!complete_any(exit.next_rip, intercepted_wrmsr))
        return;
    cpu().vcpu.apic = apic; // what the hardware is set to from here
    if (access.kind == ApicAccess::Kind::Mode)
        change_apic_mode(access.value != 0);
    else if (carry_out(core(), cpu().vcpu.apic, number, access))
        backend().raise_guest_nmi();
    if (number == drivers::apic::LVT_TIMER)
        show_apic_mode(); // a periodic timer's counts exit
}

template <Backend B> void RunLoop<B>::change_apic_mode(bool reset) {
    if (reset) {
        backend().hold_interrupts(false);
        discard_interrupts();
        backend().hold_interrupts(true);
    }
    update_cpuid();
    serve_requests(); // also of a signal that came while it was let through
}

/// A triple fault that came of an exception of ours.
template <Backend B> void RunLoop<B>::shut_down() {
    VmExit exit = backend().last_exit();
    exit.reason = ExitReason::TripleFault;
    fail(exit, "triple fault", 0);
}

template <Backend B> void RunLoop<B>::inject_fault(const GuestFault& fault, const VmExit& exit) {
    switch (fault.kind) {
    case GuestFault::Kind::page_fault:
        backend().set_cr2(fault.address);
        return inject({14, fault.error_code});
    case GuestFault::Kind::general_protection:
        return inject({13, fault.error_code});
    case GuestFault::Kind::stack_fault:
        return inject({12, fault.error_code});
    case GuestFault::Kind::not_ram:
        return refuse(exit, "page table or operand outside of the guest's memory", fault.address);
    }
}

/// The operand of LMSW and SMSW where it is in memory, else nothing.
template <Backend B> std::expected<RamOperand, GuestFault> RunLoop<B>::locate_word(const Instruction& instruction) {
    if (instruction.form != Form::mem)
        return RamOperand{};
    const GuestView view = guest_view(core().guest->memory, backend(), instruction);
    return locate_operand(view, instruction.segment, effective_offset(instruction, cpu().registers, backend().rip()),
                          sizeof(u16), {.write = instruction.operation == Operation::SMSW});
}

template <Backend B> void RunLoop<B>::on_control_register(const VmExit& exit) {
    const Result<Instruction> instruction = fetch();
    if (!instruction)
        return refuse(exit, instruction.error().what, instruction.error().value);
    backend().load_rsp();
    Registers& registers = cpu().registers;
    const GuestControls now = guest_controls(backend(), cpu().vcpu);
    // The CPU looked before it exited; but another vCPU may have changed the instruction since.
    if (instruction->operation != Operation::SMSW && backend().paging().cpl != 0)
        return inject(general_protection);
    const auto operand = locate_word(*instruction);
    if (!operand)
        return inject_fault(operand.error(), exit);
    const ControlAccess access = decode_control_access(
        *instruction, now, {.cr2 = backend().cr2(), .cr8 = local_apic().read(drivers::apic::TPR) >> 4}, registers,
        load(core().guest->memory, *operand));
    if (access.kind == ControlAccess::Kind::Other)
        return refuse(exit, "a control register access that is not emulated", static_cast<u64>(instruction->operation));
    cpu().refusals = {};
    if (access.kind == ControlAccess::Kind::Read || access.kind == ControlAccess::Kind::Store) {
        if (access.kind == ControlAccess::Kind::Read)
            registers.gpr[access.reg] = access.value;
        else
            store(core().guest->memory, *operand, access.value);
        backend().store_rsp();
        return backend().advance(backend().rip() + instruction->length);
    }
    const std::optional<ControlUpdate> update =
        access.kind == ControlAccess::Kind::WriteCr0
            ? write_cr0(now, access.value, backend().code_mode() == CpuMode::bits64)
            : write_cr4(now, access.value, cpu().vcpu.cpuid);
    if (!update)
        return inject(general_protection);
    backend().advance(backend().rip() + instruction->length);
    apply(*update);
}

template <Backend B> void RunLoop<B>::apply(const ControlUpdate& update) {
    const GuestControls& controls = update.controls;
    cpu().vcpu.cr0_guest_bits = controls.cr0 & (cr0::CD | cr0::NW);
    cpu().vcpu.cr4_mce = (controls.cr4 & cr4::MCE) != 0;
    backend().set_controls({real_cr0(controls.cr0), real_cr4(controls.cr4), controls.efer});
    backend().load_pdptes(core().guest->memory);
    backend().show_controls(controls.cr0, controls.cr4);
    if (update.cpuid_changes)
        update_cpuid();
}

template <Backend B> void RunLoop<B>::on_second_stage_fault(const VmExit& exit) {
    const u64 address = exit.fault.guest_physical;
    const GuestAddressClass where = core().guest->memory_map.classify({address});
    if (const std::string_view violation = violation_by(exit.fault, where); !violation.empty()) [[unlikely]] {
        if (where == GuestAddressClass::Ram && exit.fault.execute && backend().allow_execution(*core().guest, address))
            return;
        // Not a kernel's: where its ticks exit there would be no end.
        const bool of_process = exit.fault.execute && backend().paging().cpl == 3;
        return of_process ? refuse(exit, violation, address) : fail(exit, violation, address);
    }
    if (backend().is_delivering()) // which would have no end, and keep our NMIs out
        return fail(exit, "an interrupt or exception delivered by way of a device", address);
    const Result<Instruction> instruction = fetch();
    if (!instruction)
        return refuse(exit, instruction.error().what, instruction.error().value);
    backend().load_rsp();
    const GuestView view = guest_view(core().guest->memory, backend(), *instruction);
    u64 flags = backend().rflags();
    DeviceMemory device(core(), cpu().vcpu.apic);
    const EmulationResult result = emulate_mmio(
        {*instruction, view, cpu().registers, flags, backend().rip(), {address}, exit.fault.write}, device);
    backend().store_rsp();
    backend().set_rflags(flags);
    finish(result, exit, instruction->length);
    if (device.nmi())
        backend().raise_guest_nmi();
}

template <Backend B> void RunLoop<B>::on_string_io(const VmExit& exit) {
    const Result<Instruction> instruction = fetch();
    if (!instruction)
        return refuse(exit, instruction.error().what, instruction.error().value);
    const GuestView view = guest_view(core().guest->memory, backend(), *instruction);
    DevicePorts ports(*core().guest);
    const EmulationResult result =
        emulate_string_io(*instruction, view, cpu().registers, backend().rflags(), ports, exit.io.size);
    finish(result, exit, instruction->length);
    if (ports.power() != PowerRequest::None && is_active())
        stop(ports.power() == PowerRequest::Reset ? StopReason::Reset : StopReason::PowerOff);
}

template <Backend B> void RunLoop<B>::finish(const EmulationResult& result, const VmExit& exit, unsigned length) {
    switch (result.kind) {
    case EmulationResult::Kind::advance:
        cpu().refusals = {};
        return backend().advance(backend().rip() + length);
    case EmulationResult::Kind::again: // at the same RIP, but an element of it is over, and with it an STI's shadow
        cpu().refusals = {};
        backend().advance(backend().rip());
        return backend().set_rflags(backend().rflags() | rflags::RF); // between elements (SDM 3B 18.3.1.1)
    case EmulationResult::Kind::fault:
        return inject_fault(result.fault, exit);
    case EmulationResult::Kind::not_emulable:
        return refuse(exit, "an instruction that is not emulated on device memory", exit.fault.guest_physical);
    }
}

} // namespace bulkhead
