// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "vmx/decode.hpp"

#include <algorithm>

namespace bulkhead::vmx {

namespace {

using enum ExitReason;

struct Row {
    u16 number;
    ExitReason reason;
};

// clang-format off
/// SDM 3C appendix C; what no control of ours asks for is Unknown.
constexpr Row rows[] = {
    {2, TripleFault},
    {3, Init},
    {8, NmiWindow},
    {9, TaskSwitch},
    {REASON_CPUID, Cpuid},
    {13, CacheInvalidate},    // INVD
    {15, RefusedInstruction}, // RDPMC
    {16, Needless},           // RDTSC
    {18, Hypercall},          // VMCALL
    {28, ControlRegister},
    {REASON_IO_INSTRUCTION, Io},
    {31, MsrRead},
    {REASON_WRMSR, MsrWrite},
    {REASON_INVALID_GUEST_STATE, EntryFailure},
    {34, EntryFailure},       // loading of MSRs
    {REASON_MACHINE_CHECK_ON_ENTRY, MachineCheck},
    {REASON_EPT_VIOLATION, SecondStageFault},
    {52, Nmi},                // the preemption timer: an NMI that came before the entry has set it
    {54, CacheInvalidate},    // WBINVD
    {55, XSetBv},
};
/// Instructions that the guest's CPUID does not offer, or, like RDTSCP and INVPCID, that exit by no control of ours.
constexpr u16 undefined[] = {
    11, 19, 20, 21, 22, 23, 24, // GETSEC, VMCLEAR, VMLAUNCH, VMPTRLD, VMPTRST, VMREAD, VMRESUME
    25, 26, 27, 36, 39, 50, 51, // VMWRITE, VMXOFF, VMXON, MWAIT, MONITOR, INVEPT, RDTSCP
    53, 58, 59, 60, 63, 64, 65, // INVVPID, INVPCID, VMFUNC, ENCLS, XSAVES, XRSTORS, PCONFIG
    67, 68, 69, 70, 76, 77,     // UMWAIT, TPAUSE, LOADIWKEY, ENCLV, SEAMCALL, TDCALL
    78, 79, 80, 81, 84, 85,     // RDMSRLIST, WRMSRLIST, URDMSR, UWRMSR; RDMSR and WRMSRNS with an immediate
};
constexpr ExitReason of_instructions[] = {
    Cpuid, MsrRead, MsrWrite, Io, XSetBv, Hypercall, ControlRegister, CacheInvalidate, Needless, UndefinedInstruction,
    RefusedInstruction,
};
// clang-format on

constexpr auto reasons = [] {
    std::array<ExitReason, 86> table{};
    table.fill(Unknown);
    for (const Row& row : rows)
        table[row.number] = row.reason;
    for (const u16 number : undefined)
        table[number] = UndefinedInstruction;
    return table;
}();

} // namespace

ExitReason decode_exception(u32 interruption_info) {
    if (interruption_type(interruption_info) == InterruptionType::Nmi)
        return Nmi;
    switch (interruption_vector(interruption_info)) {
    case 1:
        return DebugException;
    case 17:
        return AlignmentCheck;
    case 18:
        return MachineCheck;
    default:
        return Unknown;
    }
}

bool is_from_instruction(ExitReason reason) {
    return std::ranges::find(of_instructions, reason) != std::end(of_instructions);
}

ExitReason decode_reason(u32 reason) {
    const u32 basic = reason & 0xffff;
    if ((reason & reason_entry_failure) != 0)
        return basic == REASON_MACHINE_CHECK_ON_ENTRY ? MachineCheck : EntryFailure;
    return basic < reasons.size() ? reasons[basic] : Unknown;
}

} // namespace bulkhead::vmx
