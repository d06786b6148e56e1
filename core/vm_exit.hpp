// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// Why a guest stopped running, in words that both vendors share. A backend decodes; the handlers decide.
#pragma once

#include <array>
#include <string_view>

#include "base/types.hpp"

namespace bulkhead {

enum class ExitReason : u8 {
    Cpuid,
    MsrRead,
    MsrWrite,
    Io,
    SecondStageFault, ///< nested page fault, EPT violation
    Hypercall,        ///< VMMCALL, VMCALL
    Nmi,              ///< our own signal
    ControlRegister,  ///< MOV to or from CR0 or CR4, CLTS, LMSW, SMSW
    XSetBv,
    CacheInvalidate,      ///< INVD, WBINVD
    UndefinedInstruction, ///< one that the guest's CPUID does not offer: VMRUN, MONITOR, VMXON, ...
    RefusedInstruction,   ///< one that takes #GP: RDPMC
    DebugException,       ///< #DB, or a fault of an instruction that the backend steps over
    AlignmentCheck,       ///< #AC
    FloatingPointError,   ///< an x87 error with CR0.NE = 0
    MachineCheck,         ///< #MC
    NmiWindow,            ///< the guest is about to leave its NMI handler
    Needless,             ///< intercepted only by the test that proves that the counters count
    Init,
    TaskSwitch, ///< by the CPU's tasks, which VT-x leaves to the hypervisor; AMD-V does them in the guest
    TripleFault,
    EntryFailure, ///< the CPU refused the guest's state
    Unknown,
};
inline constexpr u32 exit_reason_count = static_cast<u32>(ExitReason::Unknown) + 1;

/// For the counters' printout and the failure record.
inline constexpr std::array<std::string_view, exit_reason_count> exit_reason_names{"cpuid",
                                                                                   "rdmsr",
                                                                                   "wrmsr",
                                                                                   "io",
                                                                                   "second-stage-fault",
                                                                                   "hypercall",
                                                                                   "nmi",
                                                                                   "control-register",
                                                                                   "xsetbv",
                                                                                   "cache-invalidate",
                                                                                   "undefined-instruction",
                                                                                   "refused-instruction",
                                                                                   "debug-exception",
                                                                                   "alignment-check",
                                                                                   "floating-point-error",
                                                                                   "machine-check",
                                                                                   "nmi-window",
                                                                                   "needless",
                                                                                   "init",
                                                                                   "task-switch",
                                                                                   "triple-fault",
                                                                                   "entry-failure",
                                                                                   "unknown"};

/// A port access, as the hardware decoded it.
struct IoAccess {
    u16 port = 0;
    u8 size = 1; ///< 1, 2 or 4 bytes
    bool in = false;
    bool string = false;
    bool rep = false;
};

struct SecondStageFault {
    u64 guest_physical = 0;
    bool write = false;
    bool execute = false;
    bool page_walk = false; ///< the CPU was reading the guest's page tables
};

/// Fields beside `reason` and `next_rip` are set only for the reasons they belong to.
struct VmExit {
    ExitReason reason = ExitReason::Unknown;
    u64 next_rip = 0; ///< where the guest goes on after the instruction; 0: the CPU did not say
    IoAccess io;
    SecondStageFault fault;
    u64 raw[3]{}; ///< the vendor's exit code and its two details, for the record
};

} // namespace bulkhead
