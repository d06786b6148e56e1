// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "core/control_access.hpp"

#include <initializer_list>
#include <vector>

#include <catch2/catch_test_macros.hpp>

#include "arch/x86_64/control_bits.hpp"
#include "core/instruction_decoder.hpp"

using namespace bulkhead;

namespace {

using Kind = ControlAccess::Kind;

constexpr GuestControls now{.cr0 = 0xffff'0000'8005'003b, .cr3 = 0x0000'0012'3456'7000, .cr4 = 0x0000'0001'0000'06a0};
constexpr OtherControls other{.cr2 = 0xffff'8000'dead'beef, .cr8 = 0xa};

Registers numbered() {
    Registers registers;
    for (u64 i = 0; i < Registers::count; ++i)
        registers.gpr[i] = 0x1111'1111'0000'0000 + i * 0x1111;
    return registers;
}

/// What the instruction of these bytes does.
ControlAccess access(std::initializer_list<u8> bytes, CpuMode mode = CpuMode::bits64, u64 word = 0) {
    const std::vector<u8> code(bytes);
    const Result<Instruction> instruction = decode(code, mode);
    REQUIRE(instruction.has_value());
    return decode_control_access(*instruction, now, other, numbered(), word);
}

void check_read(const ControlAccess& access, u8 reg, u64 value) {
    CHECK(access.kind == Kind::Read);
    CHECK(access.reg == reg);
    CHECK(access.value == value);
}

void check_write(const ControlAccess& access, Kind kind, u64 value) {
    CHECK(access.kind == kind);
    CHECK(access.value == value);
}

} // namespace

TEST_CASE("control access: MOV from each control register") {
    check_read(access({0x0f, 0x20, 0xc0}), 0, now.cr0);        // mov %cr0, %rax
    check_read(access({0x0f, 0x20, 0xd1}), 1, other.cr2);      // mov %cr2, %rcx
    check_read(access({0x0f, 0x20, 0xda}), 2, now.cr3);        // mov %cr3, %rdx
    check_read(access({0x0f, 0x20, 0xe3}), 3, now.cr4);        // mov %cr4, %rbx
    check_read(access({0x0f, 0x20, 0xe4}), 4, now.cr4);        // mov %cr4, %rsp
    check_read(access({0x44, 0x0f, 0x20, 0xc7}), 7, 0xa);      // mov %cr8, %rdi
    check_read(access({0x41, 0x0f, 0x20, 0xe7}), 15, now.cr4); // mov %cr4, %r15
}

TEST_CASE("control access: outside of 64-bit mode registers have 32 bits") {
    check_read(access({0x0f, 0x20, 0xc0}, CpuMode::bits32), 0, 0x8005'003b);
    check_read(access({0x0f, 0x20, 0xd0}, CpuMode::bits16), 0, 0xdead'beef);
    check_write(access({0x0f, 0x22, 0xc3}, CpuMode::bits32), Kind::WriteCr0, 0x3333); // mov %ebx, %cr0
    check_write(access({0x0f, 0x22, 0xe3}, CpuMode::bits16), Kind::WriteCr4, 0x3333); // mov %ebx, %cr4
}

TEST_CASE("control access: MOV to CR0 and CR4 takes the whole register") {
    check_write(access({0x0f, 0x22, 0xc1}), Kind::WriteCr0, 0x1111'1111'0000'1111);       // mov %rcx, %cr0
    check_write(access({0x41, 0x0f, 0x22, 0xe7}), Kind::WriteCr4, 0x1111'1111'0000'ffff); // mov %r15, %cr4
}

TEST_CASE("control access: a write of another control register is not ours") {
    CHECK(access({0x0f, 0x22, 0xd0}).kind == Kind::Other);       // mov %rax, %cr2
    CHECK(access({0x0f, 0x22, 0xd8}).kind == Kind::Other);       // mov %rax, %cr3
    CHECK(access({0x44, 0x0f, 0x22, 0xc0}).kind == Kind::Other); // mov %rax, %cr8
}

TEST_CASE("control access: CLTS clears TS alone") {
    check_write(access({0x0f, 0x06}), Kind::WriteCr0, now.cr0 & ~cr0::TS);
}

TEST_CASE("control access: LMSW loads four bits, and never clears PE") {
    // now: PE, MP, TS. lmsw %ax, %dx, %di with 0, 0x2222, 0x7777.
    check_write(access({0x0f, 0x01, 0xf0}), Kind::WriteCr0, (now.cr0 & ~u64{0xf}) | cr0::PE);
    check_write(access({0x0f, 0x01, 0xf2}), Kind::WriteCr0, (now.cr0 & ~u64{0xf}) | cr0::PE | cr0::MP);
    check_write(access({0x0f, 0x01, 0xf7}), Kind::WriteCr0, (now.cr0 & ~u64{0xf}) | 7);
}

TEST_CASE("control access: SMSW in each operand size") {
    check_read(access({0x66, 0x0f, 0x01, 0xe3}), 3, 0x1111'1111'0000'003b); // smsw %bx: the rest stays
    check_read(access({0x0f, 0x01, 0xe3}), 3, 0x8005'003b);                 // smsw %ebx
    check_read(access({0x48, 0x0f, 0x01, 0xe3}), 3, now.cr0);               // smsw %rbx
    check_read(access({0x41, 0x0f, 0x01, 0xe1}), 9, 0x8005'003b);           // smsw %r9d
}

TEST_CASE("control access: LMSW and SMSW with an operand in memory have 16 bits") {
    check_write(access({0x0f, 0x01, 0x30}, CpuMode::bits64, 0xfff2), Kind::WriteCr0, // lmsw (%rax)
                (now.cr0 & ~u64{0xf}) | cr0::PE | cr0::MP);
    check_write(access({0x48, 0x0f, 0x01, 0x20}), Kind::Store, now.cr0 & 0xffff); // rex.w smsw (%rax)
}

TEST_CASE("control access: what is something else is not done here") {
    CHECK(access({0x0f, 0xa2}).kind == Kind::Other);       // cpuid
    CHECK(access({0x0f, 0x21, 0xc0}).kind == Kind::Other); // mov %dr0, %rax
    CHECK(access({0x0f, 0x23, 0xc0}).kind == Kind::Other); // mov %rax, %dr0
    CHECK(access({0x0f, 0x23, 0xe0}).kind == Kind::Other); // mov %rax, %dr4
    CHECK(access({0x89, 0x08}).kind == Kind::Other);       // mov %ecx, (%rax)
}
