// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#pragma once

#include "core/vm_exit.hpp"
#include "vmx/vmcs.hpp"

namespace bulkhead::vmx {

/// The basic exit reasons that code speaks of; decode.cpp knows them all (SDM 3C appendix C).
enum BasicReason : u16 {
    REASON_EXCEPTION_OR_NMI = 0,
    REASON_CPUID = 10,
    REASON_VMCALL = 18,
    REASON_IO_INSTRUCTION = 30,
    REASON_WRMSR = 32,
    REASON_INVALID_GUEST_STATE = 33,
    REASON_MACHINE_CHECK_ON_ENTRY = 41,
    REASON_EPT_VIOLATION = 48,
    REASON_EPT_MISCONFIGURATION = 49,
    REASON_PREEMPTION_TIMER = 52,
};
/// In the exit reason: the guest was not entered (SDM 3C 27.8).
inline constexpr u32 reason_entry_failure = 1u << 31;
/// Bits 30:16 say where the exit came from: an enclave, a bus lock.
inline constexpr u32 reason_number = reason_entry_failure | 0xffff;

/// Exit qualification of an I/O instruction: SDM 3C table 28-5.
constexpr IoAccess decode_io(u64 qualification) {
    return {.port = static_cast<u16>(qualification >> 16),
            .size = static_cast<u8>((qualification & 7) + 1),
            .in = (qualification & 8) != 0,
            .string = (qualification & 16) != 0,
            .rep = (qualification & 32) != 0};
}

/// Exit qualification of an EPT violation: SDM 3C table 28-7. Bit 8, valid with bit 7: the access was to the address
/// itself, not to a paging-structure entry on the way there.
constexpr SecondStageFault decode_ept_violation(u64 qualification, u64 guest_physical) {
    return {.guest_physical = guest_physical,
            .write = (qualification & 2) != 0,
            .execute = (qualification & 4) != 0,
            .page_walk = (qualification >> 7 & 3) == 1};
}

/// VM-exit interruption information of an exception or NMI (SDM 3C table 25-19). Unknown for those that no exception
/// bitmap of ours has.
ExitReason decode_exception(u32 interruption_info);

/// The neutral name of an exit reason, all 32 bits of it; Unknown for those that no control of ours produces, and for
/// an exception or NMI, whose name decode_exception() knows.
ExitReason decode_reason(u32 reason);

/// Whether the exit came from an instruction, and so has a VM-exit instruction length (SDM 3C 28.2.5).
bool is_from_instruction(ExitReason reason);

/// What the guest did, in full. `reason` is the VMCS's exit reason, `rip` the guest's; `read(Field) -> u64` is VMREAD,
/// called only for fields that are needed. raw: the exit reason, the exit qualification, and the guest-physical address
/// or the interruption information.
template <class Reader> VmExit decode_exit(u32 reason, u64 rip, Reader&& read) {
    VmExit exit;
    exit.reason = decode_reason(reason);
    exit.raw[0] = reason;
    exit.raw[1] = read(Field::EXIT_QUALIFICATION);
    bool has_length = is_from_instruction(exit.reason);
    if (reason == REASON_EXCEPTION_OR_NMI) {
        exit.raw[2] = read(Field::VM_EXIT_INTR_INFO);
        const u32 info = static_cast<u32>(exit.raw[2]);
        exit.reason = decode_exception(info);
        // INT1 raises its #DB behind itself.
        has_length = interruption_type(info) == InterruptionType::PrivilegedSoftwareException;
    } else if (reason == REASON_EPT_VIOLATION || reason == REASON_EPT_MISCONFIGURATION) {
        exit.raw[2] = read(Field::GUEST_PHYSICAL_ADDRESS);
        if (exit.reason == ExitReason::SecondStageFault)
            exit.fault = decode_ept_violation(exit.raw[1], exit.raw[2]);
    } else if (reason == REASON_IO_INSTRUCTION) {
        exit.io = decode_io(exit.raw[1]);
    }
    if (has_length)
        exit.next_rip = rip + read(Field::VM_EXIT_INSTRUCTION_LEN);
    return exit;
}

/// The exits whose cost is counted, in registers: reason, next_rip and io of CPUID, port accesses, hypercalls and
/// WRMSR. Of all others the reason alone, by `other(reason) -> ExitReason`.
template <class Reader, class Other>
[[gnu::always_inline]] inline VmExit decode_counted_exit(u32 reason, u64 rip, Reader&& read, Other&& other) {
    VmExit exit;
    if (reason == REASON_CPUID) {
        exit.reason = ExitReason::Cpuid;
    } else if (reason == REASON_IO_INSTRUCTION) {
        exit.reason = ExitReason::Io;
        exit.io = decode_io(read(Field::EXIT_QUALIFICATION));
    } else if (reason == REASON_VMCALL) {
        exit.reason = ExitReason::Hypercall;
    } else if (reason == REASON_WRMSR) {
        exit.reason = ExitReason::MsrWrite;
    } else {
        exit.reason = other(reason);
        return exit;
    }
    exit.next_rip = rip + read(Field::VM_EXIT_INSTRUCTION_LEN);
    return exit;
}

} // namespace bulkhead::vmx
