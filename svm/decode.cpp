// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "svm/decode.hpp"

namespace bulkhead::svm {

namespace {

using enum ExitReason;

/// APM 2 appendix C, codes 0 to A4h; what we never intercept is Unknown.
constexpr auto make_reasons() {
    std::array<ExitReason, 0xa5> table{};
    table.fill(Unknown);
    table[VMEXIT_CR0_READ] = ControlRegister;
    table[VMEXIT_CR0_READ + 4] = ControlRegister;
    table[VMEXIT_CR0_WRITE] = ControlRegister;
    table[VMEXIT_CR0_WRITE + 4] = ControlRegister;
    table[VMEXIT_CR0_SEL_WRITE] = ControlRegister;
    table[VMEXIT_EXCP_DB] = DebugException;
    for (u64 code = VMEXIT_EXCP_TS; code <= VMEXIT_EXCP_PF; ++code) // of an IRET that is stepped over
        table[code] = DebugException;
    table[VMEXIT_EXCP_AC] = AlignmentCheck;
    table[VMEXIT_EXCP_MC] = MachineCheck;
    table[VMEXIT_FERR_FREEZE] = FloatingPointError;
    table[VMEXIT_NMI] = Nmi;
    table[VMEXIT_INIT] = Init;
    table[VMEXIT_RDTSC] = Needless;
    table[VMEXIT_RDPMC] = RefusedInstruction;
    table[VMEXIT_CPUID] = Cpuid;
    table[VMEXIT_IRET] = NmiWindow;
    table[VMEXIT_INVD] = CacheInvalidate;
    table[VMEXIT_WBINVD] = CacheInvalidate;
    table[VMEXIT_IOIO] = Io;
    table[VMEXIT_MSR] = MsrRead;
    table[VMEXIT_SHUTDOWN] = TripleFault;
    table[VMEXIT_VMMCALL] = Hypercall;
    table[VMEXIT_XSETBV] = XSetBv;
    // Instructions that the guest's CPUID does not offer.
    for (u64 code : {VMEXIT_INVLPGA, VMEXIT_VMRUN, VMEXIT_VMLOAD, VMEXIT_VMSAVE, VMEXIT_STGI, VMEXIT_CLGI,
                     VMEXIT_SKINIT, VMEXIT_MONITOR, VMEXIT_MWAIT, VMEXIT_MWAIT_CONDITIONAL, VMEXIT_RDPRU,
                     VMEXIT_INVLPGB, VMEXIT_INVLPGB_ILLEGAL, VMEXIT_MCOMMIT, VMEXIT_TLBSYNC})
        table[code] = UndefinedInstruction;
    return table;
}

constexpr auto reasons = make_reasons();

} // namespace

ExitReason decode_reason(u64 exitcode, u64 exitinfo1) {
    if (exitcode == VMEXIT_NPF)
        return SecondStageFault;
    if (exitcode == VMEXIT_INVALID)
        return EntryFailure;
    if (exitcode >= reasons.size())
        return Unknown;
    if (exitcode == VMEXIT_MSR && (exitinfo1 & 1) != 0)
        return MsrWrite;
    return reasons[exitcode];
}

} // namespace bulkhead::svm
