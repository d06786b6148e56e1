// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "svm/decode.hpp"

#include <map>

#include <catch2/catch_test_macros.hpp>

using namespace bulkhead;
using namespace bulkhead::svm;

namespace {

using enum ExitReason;

/// APM 2 appendix C, written down a second time; what is not here is intercepted by nobody.
const std::map<u64, ExitReason> appendix_c{
    {0x00, ControlRegister}, // CR0 read
    {0x04, ControlRegister}, // CR4 read
    {0x10, ControlRegister}, // CR0 write
    {0x14, ControlRegister}, // CR4 write
    {0x41, DebugException},  // #DB
    {0x4a, DebugException},  // #TS, #NP, #SS, #GP, #PF: of an IRET that is stepped over
    {0x4b, DebugException},
    {0x4c, DebugException},
    {0x4d, DebugException},
    {0x4e, DebugException},
    {0x51, AlignmentCheck},       // #AC
    {0x52, MachineCheck},         // #MC
    {0x61, Nmi},                  // NMI
    {0x63, Init},                 // INIT
    {0x65, ControlRegister},      // selective CR0 write
    {0x6e, Needless},             // RDTSC
    {0x6f, RefusedInstruction},   // RDPMC
    {0x72, Cpuid},                // CPUID
    {0x74, NmiWindow},            // IRET
    {0x76, CacheInvalidate},      // INVD
    {0x7a, UndefinedInstruction}, // INVLPGA
    {0x7b, Io},                   // IOIO
    {0x7c, MsrRead},              // MSR, EXITINFO1 0
    {0x7e, FloatingPointError},   // FERR_FREEZE
    {0x7f, TripleFault},          // shutdown
    {0x80, UndefinedInstruction}, // VMRUN
    {0x81, Hypercall},            // VMMCALL
    {0x82, UndefinedInstruction}, // VMLOAD
    {0x83, UndefinedInstruction}, // VMSAVE
    {0x84, UndefinedInstruction}, // STGI
    {0x85, UndefinedInstruction}, // CLGI
    {0x86, UndefinedInstruction}, // SKINIT
    {0x89, CacheInvalidate},      // WBINVD
    {0x8a, UndefinedInstruction}, // MONITOR
    {0x8b, UndefinedInstruction}, // MWAIT
    {0x8c, UndefinedInstruction}, // MWAIT, monitor armed
    {0x8d, XSetBv},               // XSETBV
    {0x8e, UndefinedInstruction}, // RDPRU
    {0xa0, UndefinedInstruction}, // INVLPGB
    {0xa1, UndefinedInstruction}, // illegal INVLPGB
    {0xa3, UndefinedInstruction}, // MCOMMIT
    {0xa4, UndefinedInstruction}, // TLBSYNC
    {0x400, SecondStageFault},    // nested page fault
    {~u64{0}, EntryFailure},      // invalid guest state
};

ControlArea exit_of(u64 code, u64 info1 = 0, u64 info2 = 0, u64 nrip = 0) {
    ControlArea control;
    control.exitcode = code;
    control.exitinfo1 = info1;
    control.exitinfo2 = info2;
    control.nrip = nrip;
    return control;
}

} // namespace

TEST_CASE("SVM exits: every code has its reason, and no other has") {
    const auto expected = [](u64 code) {
        const auto row = appendix_c.find(code);
        return row == appendix_c.end() ? Unknown : row->second;
    };
    for (u64 code = 0; code < 0x1000; ++code) {
        INFO("code " << std::hex << code);
        CHECK(decode_reason(code, 0) == expected(code));
        CHECK(decode_exit(exit_of(code), true).reason == expected(code));
    }
    for (const u64 code : {~u64{0}, ~u64{0} - 1, ~u64{0} - 2, u64{1} << 32, (u64{1} << 32) | 0x72, u64{1} << 63}) {
        INFO("code " << std::hex << code);
        CHECK(decode_exit(exit_of(code), true).reason == expected(code));
    }
}

TEST_CASE("SVM exits: each reason that AMD-V gives is a name of its own") {
    std::map<ExitReason, unsigned> codes;
    for (const auto& [code, reason] : appendix_c)
        ++codes[reason];
    codes[MsrWrite] = 1; // by EXITINFO1
    codes[Unknown] = 1;
    codes[TaskSwitch] = 1; // by nobody: AMD-V switches tasks in the guest
    CHECK(codes.size() == exit_reason_count);
    for (const auto& name : exit_reason_names)
        CHECK_FALSE(name.empty());
}

TEST_CASE("SVM exits: an MSR access is a read or a write by EXITINFO1") {
    CHECK(decode_exit(exit_of(VMEXIT_MSR, 0), true).reason == MsrRead);
    CHECK(decode_exit(exit_of(VMEXIT_MSR, 1), true).reason == MsrWrite);
    CHECK(decode_exit(exit_of(VMEXIT_RDPMC, 1), true).reason == RefusedInstruction); // no other code looks at it
}

TEST_CASE("SVM exits: the bits of a port access") {
    struct Case {
        u64 info;
        u16 port;
        u8 size;
        bool in, string, rep;
    };
    // APM 2 figure 15-2: TYPE 0, STR 2, REP 3, SZ8 4, SZ16 5, SZ32 6, A16 7, A32 8, A64 9, SEG 12:10, PORT 31:16.
    for (const Case& c : {Case{0x0080'0210, 0x80, 1, false, false, false},  // out %al, $0x80
                          Case{0x03f8'0211, 0x3f8, 1, true, false, false},  // in (%dx), %al
                          Case{0xffff'0221, 0xffff, 2, true, false, false}, // in (%dx), %ax
                          Case{0x0cfc'0241, 0xcfc, 4, true, false, false},  // in (%dx), %eax
                          Case{0x0000'0240, 0, 4, false, false, false},     // out %eax, $0
                          Case{0x03f8'0215, 0x3f8, 1, true, true, false},   // insb
                          Case{0x03f8'0e1c, 0x3f8, 1, false, true, true},   // rep outsb
                          Case{0x01f0'012d, 0x1f0, 2, true, true, true}}) { // rep insw, 32-bit addresses
        INFO("EXITINFO1 " << std::hex << c.info);
        const VmExit exit = decode_exit(exit_of(VMEXIT_IOIO, c.info, 0x1234'5678'9abc'def0, 0x55), false);
        CHECK(exit.reason == Io);
        CHECK(exit.io.port == c.port);
        CHECK(exit.io.size == c.size);
        CHECK(exit.io.in == c.in);
        CHECK(exit.io.string == c.string);
        CHECK(exit.io.rep == c.rep);
        // EXITINFO2 is the next RIP on every CPU.
        CHECK(exit.next_rip == 0x1234'5678'9abc'def0);
        CHECK(decode_exit(exit_of(VMEXIT_IOIO, c.info, 7, 0x55), true).next_rip == 7);
    }
}

TEST_CASE("SVM exits: the bits of a nested page fault") {
    const auto fault = [](u64 info1) { return decode_exit(exit_of(VMEXIT_NPF, info1, 0x1'fec0'0010), true).fault; };
    // APM 2 15.25.6: P 0, RW 1, US 2, RSV 3, ID 4; bit 32: the access itself, bit 33: its page walk.
    const auto read = fault(0x1'0000'0004);
    CHECK(read.guest_physical == 0x1'fec0'0010);
    CHECK_FALSE((read.write || read.execute || read.page_walk));
    const auto write = fault(0x1'0000'0006);
    CHECK((write.write && !write.execute && !write.page_walk));
    const auto execute = fault(0x1'0000'0014);
    CHECK((!execute.write && execute.execute && !execute.page_walk));
    const auto walk = fault(0x2'0000'0006); // setting an accessed bit
    CHECK((walk.write && !walk.execute && walk.page_walk));
    // Present, user, reserved and shadow-stack bits say nothing that we need.
    const auto none = fault(0x1'0000'004d);
    CHECK_FALSE((none.write || none.execute || none.page_walk));
}

TEST_CASE("SVM exits: the next RIP is the CPU's where it saves one") {
    for (const u64 code : {u64{VMEXIT_CPUID}, u64{VMEXIT_MSR}, u64{VMEXIT_VMMCALL}, u64{VMEXIT_XSETBV}}) {
        INFO("code " << std::hex << code);
        CHECK(decode_exit(exit_of(code, 0, 0, 0xffff'8000'0000'1002), true).next_rip == 0xffff'8000'0000'1002);
        // Without NRIP save the field holds what it held: 0 stands for "decode the instruction".
        CHECK(decode_exit(exit_of(code, 0, 0, 0xffff'8000'0000'1002), false).next_rip == 0);
    }
}

TEST_CASE("SVM exits: code and details are kept for the record") {
    const VmExit exit = decode_exit(exit_of(0x7e, 0x1111, 0x2222), true);
    CHECK(exit.raw[0] == 0x7e);
    CHECK(exit.raw[1] == 0x1111);
    CHECK(exit.raw[2] == 0x2222);
    const VmExit fault = decode_exit(exit_of(VMEXIT_NPF, 0x1'0000'0006, 0x3000), true);
    CHECK(fault.raw[0] == VMEXIT_NPF);
    CHECK(fault.raw[2] == 0x3000);
}
