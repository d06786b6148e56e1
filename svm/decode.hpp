// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#pragma once

#include "core/vm_exit.hpp"
#include "svm/vmcb.hpp"

namespace bulkhead::svm {

/// EXITINFO1 of an IOIO intercept: APM 2 15.10.2.
constexpr IoAccess decode_io(u64 exitinfo1) {
    return {.port = static_cast<u16>(exitinfo1 >> 16),
            .size = static_cast<u8>(exitinfo1 >> 4 & 7),
            .in = (exitinfo1 & 1) != 0,
            .string = (exitinfo1 & 4) != 0,
            .rep = (exitinfo1 & 8) != 0};
}

/// EXITINFO1 and EXITINFO2 of a nested page fault: APM 2 15.25.6.
constexpr SecondStageFault decode_nested_page_fault(u64 exitinfo1, u64 exitinfo2) {
    return {.guest_physical = exitinfo2,
            .write = (exitinfo1 & 2) != 0,
            .execute = (exitinfo1 & 16) != 0,
            .page_walk = (exitinfo1 >> 33 & 1) != 0};
}

/// The neutral name of an exit code; Unknown for those that no intercept of ours produces.
ExitReason decode_reason(u64 exitcode, u64 exitinfo1);

/// What the guest did, out of the VMCB. `has_nrip`: the CPU writes nRIP (CPUID 8000_000Ah EDX.NRIPS); without it only a
/// port access says where the guest goes on.
[[gnu::always_inline]] inline VmExit decode_exit(const ControlArea& control, bool has_nrip) {
    VmExit exit;
    const u64 code = control.exitcode;
    // Port accesses and CPUID first: they are the exits whose cost is counted.
    if (code == VMEXIT_CPUID) {
        exit.reason = ExitReason::Cpuid;
    } else if (code == VMEXIT_IOIO) {
        exit.reason = ExitReason::Io;
        exit.io = decode_io(control.exitinfo1);
        exit.next_rip = control.exitinfo2;
        return exit;
    } else {
        exit.reason = decode_reason(code, control.exitinfo1);
        if (exit.reason == ExitReason::SecondStageFault)
            exit.fault = decode_nested_page_fault(control.exitinfo1, control.exitinfo2);
        exit.raw[0] = code;
        exit.raw[1] = control.exitinfo1;
        exit.raw[2] = control.exitinfo2;
    }
    exit.next_rip = has_nrip ? control.nrip : 0;
    return exit;
}

} // namespace bulkhead::svm
