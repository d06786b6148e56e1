// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "vmx/decode.hpp"

#include <map>
#include <set>

#include <catch2/catch_test_macros.hpp>

using namespace bulkhead;
using namespace bulkhead::vmx;

namespace {

using enum ExitReason;

struct Row {
    ExitReason reason;
    bool has_length = false; ///< next RIP is known
};

/// SDM 3C appendix C, written down a second time: every basic exit reason that it lists.
const std::map<u32, Row> appendix_c{
    {0, {Unknown}}, // exception or NMI: by the interruption information
    {1, {Unknown}}, // external interrupt: not asked for
    {2, {TripleFault}},
    {3, {Init}},
    {4, {Unknown}}, // start-up IPI: in an activity state that is never used
    {5, {Unknown}}, // I/O SMI
    {6, {Unknown}}, // other SMI
    {7, {Unknown}}, // interrupt window
    {8, {NmiWindow}},
    {9, {TaskSwitch}},
    {10, {Cpuid, true}},
    {11, {UndefinedInstruction, true}}, // GETSEC
    {12, {Unknown}},                    // HLT
    {13, {CacheInvalidate, true}},      // INVD
    {14, {Unknown}},                    // INVLPG
    {15, {RefusedInstruction, true}},   // RDPMC
    {16, {Needless, true}},             // RDTSC
    {17, {Unknown}},                    // RSM
    {18, {Hypercall, true}},            // VMCALL
    {19, {UndefinedInstruction, true}}, // VMCLEAR
    {20, {UndefinedInstruction, true}}, // VMLAUNCH
    {21, {UndefinedInstruction, true}}, // VMPTRLD
    {22, {UndefinedInstruction, true}}, // VMPTRST
    {23, {UndefinedInstruction, true}}, // VMREAD
    {24, {UndefinedInstruction, true}}, // VMRESUME
    {25, {UndefinedInstruction, true}}, // VMWRITE
    {26, {UndefinedInstruction, true}}, // VMXOFF
    {27, {UndefinedInstruction, true}}, // VMXON
    {28, {ControlRegister, true}},
    {29, {Unknown}}, // MOV DR
    {30, {Io, true}},
    {31, {MsrRead, true}},
    {32, {MsrWrite, true}},
    {33, {EntryFailure}},               // invalid guest state
    {34, {EntryFailure}},               // MSR loading
    {36, {UndefinedInstruction, true}}, // MWAIT
    {37, {Unknown}},                    // monitor trap flag
    {39, {UndefinedInstruction, true}}, // MONITOR
    {40, {Unknown}},                    // PAUSE
    {41, {MachineCheck}},               // during VM entry
    {43, {Unknown}},                    // TPR below threshold
    {44, {Unknown}},                    // APIC access
    {45, {Unknown}},                    // virtualized EOI
    {46, {Unknown}},                    // access to GDTR or IDTR
    {47, {Unknown}},                    // access to LDTR or TR
    {48, {SecondStageFault}},           // EPT violation
    {49, {Unknown}},                    // EPT misconfiguration
    {50, {UndefinedInstruction, true}}, // INVEPT
    {51, {UndefinedInstruction, true}}, // RDTSCP
    {52, {Nmi}},                        // VMX-preemption timer
    {53, {UndefinedInstruction, true}}, // INVVPID
    {54, {CacheInvalidate, true}},      // WBINVD, WBNOINVD
    {55, {XSetBv, true}},
    {56, {Unknown}},                    // APIC write
    {57, {Unknown}},                    // RDRAND
    {58, {UndefinedInstruction, true}}, // INVPCID
    {59, {UndefinedInstruction, true}}, // VMFUNC
    {60, {UndefinedInstruction, true}}, // ENCLS
    {61, {Unknown}},                    // RDSEED
    {62, {Unknown}},                    // page-modification log full
    {63, {UndefinedInstruction, true}}, // XSAVES
    {64, {UndefinedInstruction, true}}, // XRSTORS
    {65, {UndefinedInstruction, true}}, // PCONFIG
    {66, {Unknown}},                    // SPP-related event
    {67, {UndefinedInstruction, true}}, // UMWAIT
    {68, {UndefinedInstruction, true}}, // TPAUSE
    {69, {UndefinedInstruction, true}}, // LOADIWKEY
    {70, {UndefinedInstruction, true}}, // ENCLV
    {72, {Unknown}},                    // ENQCMD PASID translation
    {73, {Unknown}},                    // ENQCMDS PASID translation
    {74, {Unknown}},                    // bus lock
    {75, {Unknown}},                    // instruction timeout
    {76, {UndefinedInstruction, true}}, // SEAMCALL
    {77, {UndefinedInstruction, true}}, // TDCALL
    {78, {UndefinedInstruction, true}}, // RDMSRLIST
    {79, {UndefinedInstruction, true}}, // WRMSRLIST
    {80, {UndefinedInstruction, true}}, // URDMSR
    {81, {UndefinedInstruction, true}}, // UWRMSR
    {84, {UndefinedInstruction, true}}, // RDMSR with an immediate
    {85, {UndefinedInstruction, true}}, // WRMSRNS with an immediate
};

constexpr u64 rip = 0xffff'8000'0000'1000;

/// A VMCS of which only what a test gives may be read.
struct Fields {
    std::map<Field, u64> values;
    std::set<Field> read;
    u64 operator()(Field field) {
        INFO("field " << std::hex << static_cast<u32>(field));
        CHECK(values.contains(field));
        read.insert(field);
        return values[field];
    }
};

VmExit exit_of(u32 reason, std::map<Field, u64> values) {
    Fields fields{std::move(values), {}};
    const VmExit exit = decode_exit(reason, rip, fields);
    CHECK(fields.read.size() == fields.values.size()); // no field was given in vain
    return exit;
}

/// The same of the exits whose cost is counted.
VmExit counted_exit_of(u32 reason, std::map<Field, u64> values) {
    Fields fields{std::move(values), {}};
    const VmExit exit = decode_counted_exit(reason, rip, fields, decode_reason);
    CHECK(fields.read.size() == fields.values.size());
    return exit;
}

ExitReason exception(u32 info) {
    return exit_of(0, {{Field::EXIT_QUALIFICATION, 0}, {Field::VM_EXIT_INTR_INFO, info}}).reason;
}

} // namespace

TEST_CASE("VMX exits: every basic reason has its name, and no other has") {
    for (u32 number = 0; number < 0x1'0000; ++number) {
        const auto found = appendix_c.find(number);
        const Row row = found == appendix_c.end() ? Row{Unknown} : found->second;
        INFO("reason " << number);
        CHECK(decode_reason(number) == row.reason);
        Fields fields{{{Field::EXIT_QUALIFICATION, 0},
                       {Field::VM_EXIT_INTR_INFO, 0},
                       {Field::GUEST_PHYSICAL_ADDRESS, 0},
                       {Field::VM_EXIT_INSTRUCTION_LEN, 3}},
                      {}};
        const VmExit exit = decode_exit(number, rip, fields);
        CHECK(exit.reason == row.reason);
        CHECK(exit.next_rip == (row.has_length ? rip + 3 : 0));
        // A length that was not written by this exit is that of an earlier one.
        CHECK(fields.read.contains(Field::VM_EXIT_INSTRUCTION_LEN) == row.has_length);
    }
}

TEST_CASE("VMX exits: each reason is a name of its own") {
    std::set<ExitReason> reasons;
    for (const auto& [number, row] : appendix_c)
        reasons.insert(row.reason);
    reasons.insert({DebugException, AlignmentCheck}); // by the interruption information
    reasons.insert(FloatingPointError);               // by nobody: CR0.NE is always 1
    CHECK(reasons.size() == exit_reason_count);
}

TEST_CASE("VMX exits: a failed entry") {
    constexpr u32 failed = 1u << 31;
    CHECK(decode_reason(failed | 33) == EntryFailure);
    CHECK(decode_reason(failed | 34) == EntryFailure);
    CHECK(decode_reason(failed | 41) == MachineCheck);
    CHECK(decode_reason(failed | 10) == EntryFailure); // whatever else: the guest did not run
    const VmExit exit = exit_of(failed | 33, {{Field::EXIT_QUALIFICATION, 4}});
    CHECK(exit.reason == EntryFailure);
    CHECK(exit.next_rip == 0);
    CHECK(exit.raw[0] == (failed | 33));
    CHECK(exit.raw[1] == 4);
    // Other bits above the basic reason: a bus lock, an enclave.
    CHECK(decode_reason(1u << 26 | 31) == MsrRead);
    CHECK(decode_reason(1u << 27 | 52) == Nmi);
}

TEST_CASE("VMX exits: those whose cost is counted read nothing but what they need") {
    const VmExit cpuid = counted_exit_of(10, {{Field::VM_EXIT_INSTRUCTION_LEN, 2}});
    CHECK(cpuid.reason == Cpuid);
    CHECK(cpuid.next_rip == rip + 2);
    const VmExit vmcall = counted_exit_of(18, {{Field::VM_EXIT_INSTRUCTION_LEN, 3}});
    CHECK(vmcall.reason == Hypercall);
    CHECK(vmcall.next_rip == rip + 3);
    const VmExit other = counted_exit_of(48, {});
    CHECK(other.reason == ExitReason::SecondStageFault);
    CHECK(other.next_rip == 0);
}

TEST_CASE("VMX exits: the bits of a port access") {
    struct Case {
        u64 qualification;
        u16 port;
        u8 size;
        bool in, string, rep;
    };
    // SDM 3C table 28-5: size 2:0, direction 3, string 4, REP 5, operand 6, port 31:16.
    for (const Case& c : {Case{0x0080'0040, 0x80, 1, false, false, false},  // out %al, $0x80
                          Case{0x03f8'0008, 0x3f8, 1, true, false, false},  // in (%dx), %al
                          Case{0xffff'0009, 0xffff, 2, true, false, false}, // in (%dx), %ax
                          Case{0x0cfc'000b, 0xcfc, 4, true, false, false},  // in (%dx), %eax
                          Case{0x0000'0043, 0, 4, false, false, false},     // out %eax, $0
                          Case{0x03f8'0018, 0x3f8, 1, true, true, false},   // insb
                          Case{0x03f8'0030, 0x3f8, 1, false, true, true},   // rep outsb
                          Case{0x01f0'0039, 0x1f0, 2, true, true, true}}) { // rep insw
        INFO("qualification " << std::hex << c.qualification);
        const VmExit exit =
            counted_exit_of(30, {{Field::EXIT_QUALIFICATION, c.qualification}, {Field::VM_EXIT_INSTRUCTION_LEN, 1}});
        CHECK(exit.reason == Io);
        CHECK(exit.io.port == c.port);
        CHECK(exit.io.size == c.size);
        CHECK(exit.io.in == c.in);
        CHECK(exit.io.string == c.string);
        CHECK(exit.io.rep == c.rep);
        CHECK(exit.next_rip == rip + 1);
    }
}

TEST_CASE("VMX exits: the bits of an EPT violation") {
    const auto fault = [](u64 qualification) {
        const VmExit exit =
            exit_of(48, {{Field::EXIT_QUALIFICATION, qualification}, {Field::GUEST_PHYSICAL_ADDRESS, 0x1'fec0'0010}});
        CHECK(exit.reason == ExitReason::SecondStageFault);
        CHECK(exit.next_rip == 0);
        CHECK(exit.raw[0] == 48);
        CHECK(exit.raw[1] == qualification);
        CHECK(exit.raw[2] == 0x1'fec0'0010);
        return exit.fault;
    };
    // SDM 3C table 28-7: read 0, write 1, fetch 2, permissions 6:3, linear address valid 7, final access 8.
    const auto read = fault(0x181);
    CHECK(read.guest_physical == 0x1'fec0'0010);
    CHECK_FALSE((read.write || read.execute || read.page_walk));
    const auto write = fault(0x182);
    CHECK((write.write && !write.execute && !write.page_walk));
    const auto modify = fault(0x183);
    CHECK((modify.write && !modify.page_walk));
    const auto execute = fault(0x184);
    CHECK((!execute.write && execute.execute && !execute.page_walk));
    const auto walk = fault(0x081);
    CHECK((!walk.write && walk.page_walk));
    CHECK(fault(0x083).write); // setting an accessed bit
    // Permissions, NMI unblocking and what else is above say nothing that we need; without bit 7, bit 8 says nothing.
    const auto none = fault(0x1ffff'1079 & ~u64{0x186});
    CHECK_FALSE((none.write || none.execute || none.page_walk));
}

TEST_CASE("VMX exits: an EPT misconfiguration keeps its address for the record") {
    const VmExit exit = exit_of(49, {{Field::EXIT_QUALIFICATION, 0}, {Field::GUEST_PHYSICAL_ADDRESS, 0x3000}});
    CHECK(exit.reason == Unknown);
    CHECK(exit.raw[2] == 0x3000);
}

TEST_CASE("VMX exits: exceptions and NMIs") {
    // SDM 3C table 25-19: vector 7:0, type 10:8, error code 11, NMI unblocking 12, valid 31.
    CHECK(exception(0x8000'0202) == Nmi);
    CHECK(exception(0x8000'0301) == DebugException);
    CHECK(exception(0x8000'0b11) == AlignmentCheck);
    CHECK(exception(0x8000'1b11) == AlignmentCheck); // and the IRET had ended the blocking
    CHECK(exception(0x8000'0312) == MachineCheck);
    for (const u32 vector : {0u, 2u, 3u, 6u, 13u, 14u, 16u, 19u, 255u})
        CHECK(exception(0x8000'0300 | vector) == Unknown);
    const VmExit debug = exit_of(0, {{Field::EXIT_QUALIFICATION, 0x4000}, {Field::VM_EXIT_INTR_INFO, 0x8000'0301}});
    CHECK(debug.next_rip == 0);
    CHECK(debug.raw[1] == 0x4000); // what DR6 gets
    CHECK(debug.raw[2] == 0x8000'0301);
    // INT1 leaves its #DB behind the instruction.
    const VmExit int1 = exit_of(
        0,
        {{Field::EXIT_QUALIFICATION, 0}, {Field::VM_EXIT_INTR_INFO, 0x8000'0501}, {Field::VM_EXIT_INSTRUCTION_LEN, 1}});
    CHECK(int1.reason == DebugException);
    CHECK(int1.next_rip == rip + 1);
}
