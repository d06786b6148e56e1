// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include <array>

#include "guests/attack/attack.hpp"
#include "guests/attack/control_rules.hpp"
#include "guests/attack/debug_registers.hpp"
#include "guests/attack/instructions.hpp"
#include "guests/lib/layout.h"

// What makes a CPU something else: control registers, debug registers, descriptor tables, and the instructions of
// virtualization and of system management. Each bit and each form, refused or without effect on others.
namespace bulkhead::guest {

constexpr std::string_view name = GUEST_NAME;

extern "C" u64 gdt[], page_directories[];

namespace {

using namespace attack;

alignas(4096) u8 buffer[4096];

/// RAX, RSI and RDI point at memory, which is what most of these want; RCX is a number, of a register or a leaf.
Frame run_bytes(std::span<const u8> bytes, Mode mode) {
    const u64 memory = reinterpret_cast<u64>(buffer);
    return run_code(bytes, mode, {.rdi = memory, .rsi = memory, .rdx = 0, .rcx = 0, .rbx = memory, .rax = memory});
}

/// Those of the CPU's vendor are #UD in 64-bit mode and elsewhere. A user is refused, whatever it is.
void try_instructions(Group& group) {
    constexpr struct {
        Mode mode;
        std::string_view name;
        bool user;
    } modes[] = {{Mode::kernel64, "64-bit", false},
                 {Mode::kernel32, "32-bit", false},
                 {Mode::user64, "64-bit user", true},
                 {Mode::user32, "32-bit user", true}};
    for (const Instruction& row : instructions)
        for (const auto& [mode, mode_name, user] : modes) {
            const std::span bytes(row.bytes.data(), row.size);
            const bool other_code =
                mode == Mode::kernel32 || mode == Mode::user32; // a REX prefix is an instruction there
            const Ends allowed = other_code && row.bytes[0] == 0x44 ? ~Ends{0}
                                 : user                             ? row.kernel | undefined | refused
                                                                    : row.kernel;
            group.judge(run_bytes(bytes, mode), allowed, row.what, ", ", mode_name);
        }
    for (const u8 opcode : {u8{0x08}, u8{0x09}}) // a storm of them
        for (u64 i = 0; i < 2000; ++i)
            group.judge(run_bytes(std::array<u8, 2>{0x0f, opcode}, Mode::kernel64), ignored, "INVD and WBINVD, again");
}

void try_cpuid(Group& group) {
    for (const u32 base :
         {0u, 0x20000000u, 0x40000000u, 0x40000100u, 0x80000000u, 0x8fffffe0u, 0xc0000000u, 0xffffffe0u})
        for (u32 leaf = base; leaf != base + 32; ++leaf)
            for (const u32 subleaf : {0u, 1u, 2u, 31u, 63u, 0x80000000u, ~0u})
                group.attempt(ignored, [=] { cpuid(leaf, subleaf); }, "CPUID ", Hex{leaf});
}

u64 taken, refusals;

/// Flips each bit of a register, and each pair of bits that begins with it; then puts back what was there. `spared` are
/// bits which this program cannot do without: they belong to what stops a guest.
template <typename Read, typename Write, typename EndOf>
void flip_bits(Group& group, std::string_view what, u64 spared, EndOf end_of_value, Read read, Write write) {
    const u64 before = read();
    const auto flip = [&](u64 bits) {
        if ((bits & spared) != 0)
            return;
        const Frame frame = group.attempt(
            end_of_value(before ^ bits), [&] { write(before ^ bits); }, what, " flips ", Hex{bits});
        ++(frame.vector == returned ? taken : refusals);
        for (int i = 0; i < 2; ++i) // DR7.GD makes the first one an exception
            attempt([&] { write(before); });
    };
    for (unsigned bit = 0; bit < 64; ++bit) {
        flip(u64{1} << bit);
        for (unsigned other = bit + 1; other < 64; other += 3)
            flip(u64{1} << bit | u64{1} << other);
    }
    flip(~u64{0});
    group.expect(read() == before, what, " is what it was");
}

u64 read_xcr0() {
    u32 low, high;
    asm volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return u64{high} << 32 | low;
}
void write_xcr0(u64 value) {
    asm volatile("xsetbv" : : "c"(0), "a"(static_cast<u32>(value)), "d"(static_cast<u32>(value >> 32)));
}
u64 read_cr8() {
    u64 value;
    asm volatile("movq %%cr8, %0" : "=r"(value));
    return value;
}
void write_cr8(u64 value) { asm volatile("movq %0, %%cr8" : : "r"(value)); }

constexpr u64 cr4_osxsave = 1 << 18, not_of_cr3 = ~u64{0xfff};
constexpr u32 msr_efer = 0xc0000080;

/// SDM 1 13.3.
bool takes_xcr0(u64 value) {
    constexpr u64 sse = 2, avx = 4, bounds = 0x18, avx512 = 0xe0;
    const CpuidResult offered = cpuid(0xd);
    const u64 wide = value & avx512;
    return (value & ~(u64{offered.edx} << 32 | offered.eax)) == 0 && (value & 1) != 0 &&
           ((value & avx) == 0 || (value & sse) != 0) && (wide == 0 || (wide == avx512 && (value & avx) != 0)) &&
           ((value & bounds) == 0 || (value & bounds) == bounds);
}

/// In 64-bit mode.
void try_registers(Group& group) {
    constexpr auto only_if = [](bool good) { return good ? ignored : refused; };
    // QEMU's CPU does not look at bits of CR0 and CR8 that are reserved, where nothing exits.
    const Ends reserved = is_intel() ? refused : refused | ignored;
    flip_bits(
        group, "CR0", 0,
        [=](u64 value) {
            const bool good = takes_cr0(value) && (value & cr0_pg) != 0;
            return good && value >> 32 != 0 ? reserved : only_if(good);
        },
        read_cr0, write_cr0);
    flip_bits(group, "CR3", not_of_cr3, [](u64) { return ignored; }, read_cr3, write_cr3);
    flip_bits(
        group, "CR4", cr4_smep | cr4_smap,
        [&, offered = cr4_bits()](u64 value) { return only_if((value & ~offered) == 0 && (value & cr4_pae) != 0); },
        read_cr4, write_cr4);
    flip_bits(group, "CR8", 0, [=](u64 value) { return value < 16 ? ignored : reserved; }, read_cr8, write_cr8);
    flip_bits(
        group, "EFER", 0,
        [&, offered = efer_bits()](u64 value) {
            return only_if((value & ~offered) == 0 && (value & efer_lme) != 0);
        },
        [] { return rdmsr(msr_efer); }, [](u64 value) { wrmsr(msr_efer, value); });
    const auto lower_half = [&](u64 value) { return only_if(value >> 32 == 0); };
    flip_bits(group, "DR6", 0, lower_half, read_debug<6>, write_debug<6>);
    flip_bits(group, "DR7", 0, lower_half, read_debug<7>, write_debug<7>);
    if ((cpuid(1).ecx >> 26 & 1) == 0)
        return;
    const u64 before = read_cr4();
    write_cr4(before | cr4_osxsave);
    flip_bits(group, "XCR0", 0, [&](u64 value) { return only_if(takes_xcr0(value)); }, read_xcr0, write_xcr0);
    const u64 features = read_xcr0();
    for (u32 number = 1; number < 256; ++number)
        group.attempt(refused, [=] { asm volatile("xsetbv" : : "c"(number), "a"(1), "d"(0)); }, "XCR ", number);
    for (u64 value = 0; value < 1024; ++value)
        group.attempt(only_if(takes_xcr0(value)), [=] { write_xcr0(value); }, "XCR0 = ", Hex{value});
    attempt([=] { write_xcr0(features); });
    write_cr4(before);
    print("attack: registers: ", taken, " values taken, ", refusals, " refused");
}

struct [[gnu::packed]] TablePointer {
    u16 limit;
    u64 base;
};

/// Selectors of nothing, of the wrong kind, and every kind of descriptor where it does not belong.
void try_descriptors(Group& group) {
    constexpr Ends segment_faults = refused | not_present | bad_stack | bad_task;
    for (u32 selector = 0; selector < 0x10000; selector += selector < 0x80 ? 1 : 257) {
        group.attempt(
            segment_faults | ignored, [=] { asm volatile("lldt %w0"
                                                         :
                                                         : "r"(selector)); }, "LLDT ", Hex{selector});
        if (selector >> 3 != TASK_STATE >> 3 && selector >> 2 != 0) // QEMU's CPU takes a null one
            group.attempt(segment_faults, [=] { asm volatile("ltr %w0" : : "r"(selector)); }, "LTR ", Hex{selector});
        group.attempt(
            segment_faults | ignored, [=] { asm volatile("movl %0, %%fs"
                                                         :
                                                         : "r"(selector)); }, "FS ", Hex{selector});
        group.attempt(
            ignored,
            [=] {
                asm volatile("verr %w0; verw %w0; lar %w0, %%eax; lsl %w0, %%eax" : : "r"(selector) : "eax", "cc");
            },
            "VERR ", Hex{selector});
    }
    // Loaded from a table of its own, so that the program's stays whole.
    alignas(16) static u64 own[16];
    at<u8>(0) = 0xcd; // where far returns lead: INT 81h
    at<u8>(1) = returned;
    for (u32 i = 0; i < 9; ++i)
        own[i] = gdt[i];
    const TablePointer other{sizeof own - 1, reinterpret_cast<u64>(own)};
    const TablePointer usual{9 * 8 - 1, reinterpret_cast<u64>(gdt)};
    constexpr u32 selector = 0x50, first = selector / 8;
    for (u32 access = 0; access < 256; ++access) {
        own[first] = 0xffff | u64{access} << 40 | u64{0xa} << 52; // base 0
        own[first + 1] = 0;
        asm volatile("lgdt %0" : : "m"(other));
        const auto load = [&](std::string_view what, auto function) {
            own[first] = 0xffff | u64{access} << 40 | u64{0xa} << 52;
            group.attempt(segment_faults | ignored, function, what, ", descriptor ", Hex{access});
        };
        load("LLDT", [] { asm volatile("lldt %w0" : : "r"(selector)); });
        if ((access & 0x9f) != 0x89) // a task state of 64 bits is what LTR wants
            load("LTR", [] { asm volatile("ltr %w0" : : "r"(selector)); });
        load("MOV SS", [] { asm volatile("movl %0, %%ss" : : "r"(selector)); });
        load("far RET", [] { asm volatile("pushq %q0; pushq $0; lretq" : : "r"(selector)); });
        load("IRET", [] {
            asm volatile("pushq %q0; pushq %%rsp; pushq $2; pushq %q0; pushq $0; iretq" : : "r"(selector));
        });
        asm volatile("xorl %%eax, %%eax; lldt %%ax; movl %%eax, %%fs; lgdt %0; movl %1, %%ss"
                     :
                     : "m"(usual), "r"(KERNEL_DATA)
                     : "eax");
    }
    // QEMU's CPU takes these bases: what was there is put back at once.
    TablePointer gates{};
    asm volatile("sidt %0" : "=m"(gates));
    for (const u64 base : {u64{0x8000'0000'0000}, ~u64{0} >> 1, u64{0xffff'7fff'ffff'f000}}) {
        const TablePointer bad{0xffff, base};
        group.attempt(
            refused | ignored, [&] { asm volatile("lgdt %0; lgdt %1"
                                                  :
                                                  : "m"(bad), "m"(usual)); }, "LGDT ", Hex{base});
        group.attempt(
            refused | ignored, [&] { asm volatile("lidt %0; lidt %1"
                                                  :
                                                  : "m"(bad), "m"(gates)); }, "LIDT ", Hex{base});
    }
}

/// Each byte that may follow 0F, with each register form and memory form, as a user: nothing it does reaches the
/// guest's kernel, let alone others. What is an instruction without operands goes on with what was to be one; all
/// around are breakpoints, and no displacement leads beyond them.
void try_opcodes(Group& group) {
    // A user has this program's pages only, whatever a register may hold by then.
    constexpr u64 user_bit = 4, directory_entries = 4 * 512;
    for (u64 i = 0; i < directory_entries; ++i)
        if (i != GUEST_ADDRESS / (2 * MiB))
            page_directories[i] &= ~user_bit;
    write_cr3(read_cr3());
    constexpr Ends any = ~Ends{0};
    constexpr u64 offset = 1024;
    constexpr u8 int3 = 0xcc;
    for (u64 i = 0; i < 2 * offset; ++i)
        at<u8>(code_address(i)) = int3;
    const u64 memory = reinterpret_cast<u64>(buffer);
    const Frame registers{.rbp = memory + 2048, .rdi = memory, .rsi = memory, .rbx = memory, .rax = memory};
    for (const Mode mode : {Mode::user64, Mode::user32})
        for (u32 opcode = 0; opcode < 256; ++opcode)
            for (u32 reg = 0; reg < 8; ++reg)
                for (const u32 form : {0u, 0xc0u}) {
                    const u8 modrm = static_cast<u8>(form | reg << 3);
                    const u8 bytes[] = {0x0f, static_cast<u8>(opcode), modrm, 0, 0, 0, 0, 0};
                    group.judge(run_code(bytes, mode, registers, offset), any, "0F ", Hex{opcode});
                }
}

/// What this program cannot live on with. A kernel without its own pages, tables or stack shuts down.
constexpr auto fatal_names =
    std::to_array<std::string_view>({"SMEP over user pages", "SMAP over user pages", "another CR3", "no IDT", "no GDT",
                                     "no NMI handler", "CR3 beyond the last address"});

void commit(u64 index) {
    print("attack: ", index, ": ", fatal_names[index]);
    const TablePointer none{0, 0};
    switch (index) {
    case 0:
        return write_cr4(read_cr4() | cr4_smep);
    case 1:
        return write_cr4(read_cr4() | cr4_smap);
    case 2:
        return write_cr3(read_cr3() ^ 0x7ffff000);
    case 3:
        asm volatile("lidt %0; int3" : : "m"(none));
        return;
    case 4:
        asm volatile("lgdt %0; int3" : : "m"(none));
        return;
    case 5:
        asm volatile("lidt %0; int $2" : : "m"(none));
        return;
    default: // #GP, but on QEMU, whose CPU then refuses to go on
        attempt([] { write_cr3(read_cr3() | u64{1} << 60); });
        reset();
    }
}

} // namespace

void run() {
    if (life() == 1) {
        {
            Group group("instructions");
            try_instructions(group);
            try_cpuid(group);
            try_opcodes(group);
        }
        {
            Group group("registers");
            try_registers(group);
        }
        Group group("descriptors");
        try_descriptors(group);
    }
    stop_by_each("shutdowns", fatal_names.size(), commit);
}

} // namespace bulkhead::guest
