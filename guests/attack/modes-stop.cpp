// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include <array>
#include <cstring>

#include "guests/attack/attack.hpp"
#include "guests/attack/encode.hpp"
#include "guests/attack/windows.hpp"

// What stops a guest when 64-bit code does it, in the modes without long mode: memory that is not the guest's, and
// tables and code there; and shutdowns. One case in each life.
namespace bulkhead::guest {

constexpr std::string_view name = GUEST_NAME;

namespace {

using namespace attack;

constexpr u64 vga = 0xa0000, hpet = 0xfed00000;

enum class Deed : u8 {
    read,
    write,
    execute,
    go_on,
    page_table,
    root,
    vectors,
    descriptors,
    stack,
    task,
    shutdown,
    wrap
};
constexpr std::string_view deed_names[] = {"read",       "write",      "execute",    "code that goes on",
                                           "page table", "CR3",        "vectors",    "descriptors",
                                           "stack",      "task state", "no vectors", "operand over 4 GiB"};

constexpr bool is_real(LegacyMode mode) { return mode == LegacyMode::real || mode == LegacyMode::unreal; }

struct Case {
    Deed deed;
    LegacyMode mode;
    u64 address;
};

/// Every one, in an order that depends on the machine only.
class Cases {
public:
    Cases() {
        const u64 end = end_of_ram(), top = u64{1} << address_bits();
        constexpr Deed accesses[] = {Deed::read, Deed::write, Deed::execute};
        u64 turn = 0; // of what differs in little, one each
        for (const LegacyMode mode : legacy_modes) {
            for (const Deed deed : accesses)
                add(deed, mode, end);
            for (const u64 address : {u64{0xfebff000}, u64{0x100000000}, top - 4 * KiB})
                add(accesses[turn++ % 3], mode, address);
            const u64 device = is_real(mode) || (turn % 2 == 0 && !has_paging(mode)) ? vga : hpet;
            add(Deed::execute, mode, device);
            add_structures(mode, is_real(mode) || turn % 2 == 0 ? device : end);
            if (mode != LegacyMode::virtual8086) // a process, which sets no vectors
                add(Deed::shutdown, mode, 0);
            if (bits_of(mode) == 32 ? !has_paging(mode) : mode == LegacyMode::protected16)
                add(Deed::wrap, mode, 0);
        }
    }
    [[nodiscard]] u64 count() const { return count_; }
    const Case& operator[](u64 index) const { return cases_[index]; }

private:
    void add(Deed deed, LegacyMode mode, u64 address) {
        if (mode == LegacyMode::virtual8086 && (deed == Deed::execute || deed == Deed::go_on))
            return; // a process gets #UD: modes.cpp
        if (reaches(mode, address) && (!is_real(mode) || deed != Deed::execute || address < MiB))
            cases_[count_++] = {deed, mode, address};
    }
    void add_structures(LegacyMode mode, u64 address) {
        using enum LegacyMode;
        add(Deed::go_on, mode, address);
        if (mode == virtual8086)
            return add(Deed::task, mode, address);
        if (has_paging(mode)) {
            add(Deed::page_table, mode, address);
            add(Deed::root, mode, address);
        }
        add(Deed::vectors, mode, address);
        if (mode != unreal)
            add(Deed::stack, mode, address);
        if (!is_real(mode))
            add(Deed::descriptors, mode, address);
    }
    std::array<Case, 256> cases_{};
    u64 count_ = 0;
};

/// `code` with AX and EDX at what is to be hostile; at ESI is what LGDT and LIDT take.
void run_with(LegacyMode mode, const Code& code, u32 seen) {
    const LegacyAddress pointer = address_of(mode, mode_buffer);
    at<u16>(mode_buffer) = 0xfff;
    at<u16>(mode_buffer + 2) = static_cast<u16>(seen);
    at<u16>(mode_buffer + 4) = static_cast<u16>(seen >> 16);
    run_legacy(mode, code.bytes(),
               {.registers = {.esi = pointer.offset, .edx = seen, .eax = address_of(mode, seen).segment},
                .ds = pointer.segment,
                .es = pointer.segment});
}

Code with_prefixes(LegacyMode mode, std::initializer_list<u8> bytes) {
    Code code;
    if (bits_of(mode) == 16) // operands and addresses of 32 bits
        code.add(0x66, 0x67);
    for (const u8 byte : bytes)
        code.add(byte);
    return code;
}

void access_memory(LegacyMode mode, u32 seen, u8 opcode) {
    const LegacyAddress there = address_of(mode, seen);
    run_legacy(mode, with_prefixes(mode, {opcode, 0x03}).bytes(),
               {.registers = {.ebx = there.offset}, .ds = there.segment, .es = there.segment});
}

/// An instruction of which so many bytes are before the end of what is the guest's.
void go_on_at(LegacyMode mode, u64 address) {
    constexpr u8 access[] = {0x66, 0x66, 0x66, 0x66, 0x66, 0xed}; // IN
    constexpr u64 edge = 8 * MiB, before = 3;
    const u64 begin = has_paging(mode) ? edge : address == vga || address >= 3 * GiB ? vga : address;
    std::memcpy(reinterpret_cast<void*>(begin - before), access, has_paging(mode) ? sizeof access : before);
    const bool is_large = mode == LegacyMode::large || mode == LegacyMode::pae_large;
    const u64 next = is_large ? (address & ~(4 * MiB - 1)) | 0x87 : address | 7;
    constexpr u16 segment = 0x9800; // which does not end there
    run_at(mode, show_before(mode, begin - before, next),
           {.registers = {.edx = 0x80}, .cs = is_real(mode) ? segment : u16{0}});
}

void use_page_table(const Case& c) {
    LegacyTables& t = legacy_tables;
    const u32 seen = show(c.mode, c.address);
    const bool is_pae = c.mode == LegacyMode::pae_small || c.mode == LegacyMode::pae_large;
    (is_pae ? at<u32>(reinterpret_cast<u64>(t.pae_window)) : at<u32>(reinterpret_cast<u64>(&t.directory[seen >> 22]))) =
        static_cast<u32>(c.address) | 7;
    access_memory(c.mode, seen, 0x8b);
}

void use_root(const Case& c) { // MOV CR3, EAX; MOV EAX, [EBX]
    run_legacy(c.mode, std::array<u8, 5>{0x0f, 0x22, 0xd8, 0x8b, 0x03},
               {.registers = {.ebx = 12 * MiB, .eax = static_cast<u32>(c.address)}});
}

void use_stack(const Case& c) {
    const Code real = with_prefixes(c.mode, {0x8e, 0xd0, 0x66, 0xbc, 0, 1, 0, 0, 0x50}); // SS:ESP = AX:100; PUSH
    const Code flat = with_prefixes(c.mode, {0x8d, 0xa2, 0, 8, 0, 0, 0x50});             // ESP = EDX + 2 KiB; PUSH
    run_with(c.mode, c.mode == LegacyMode::real ? real : flat, show(c.mode, c.address));
}

/// An exception in virtual-8086 mode takes its stack from there.
void use_task(const Case& c) {
    mode_gdt[TASK32 / 8] = descriptor(show(c.mode, c.address), 0x67, 0x89);
    run_legacy(c.mode, std::array<u8, 2>{0x0f, 0x0b}, {});
}

void shut_down(LegacyMode mode) { // LIDT [ESI], with no limit; UD2
    const LegacyAddress pointer = address_of(mode, mode_buffer);
    std::memset(reinterpret_cast<void*>(u64{mode_buffer}), 0, 6);
    run_legacy(mode, with_prefixes(mode, {0x0f, 0x01, 0x1e, 0x0f, 0x0b}).bytes(),
               {.registers = {.esi = pointer.offset}, .ds = pointer.segment, .es = pointer.segment});
}

void commit(const Case& c) {
    prepare_modes();
    switch (c.deed) {
    case Deed::read:
        return access_memory(c.mode, show(c.mode, c.address), 0x8b);
    case Deed::write:
        return access_memory(c.mode, show(c.mode, c.address), 0x89);
    case Deed::execute:
        run_at(c.mode, show(c.mode, c.address), {});
        return;
    case Deed::go_on:
        return go_on_at(c.mode, c.address);
    case Deed::page_table:
        return use_page_table(c);
    case Deed::root:
        return use_root(c);
    case Deed::vectors: // LIDT [ESI]; UD2
        return run_with(c.mode, with_prefixes(c.mode, {0x0f, 0x01, 0x1e, 0x0f, 0x0b}), show(c.mode, c.address));
    case Deed::descriptors: // LGDT [ESI]; PUSH DS; POP FS
        return run_with(c.mode, with_prefixes(c.mode, {0x0f, 0x01, 0x16, 0x1e, 0x0f, 0xa1}), show(c.mode, c.address));
    case Deed::stack:
        return use_stack(c);
    case Deed::task:
        return use_task(c);
    case Deed::shutdown:
        return shut_down(c.mode);
    case Deed::wrap:
        return access_memory(c.mode, 0xfffffffe, 0x8b);
    }
}

} // namespace

void run() {
    static Cases cases;
    stop_by_each("other modes that stop", cases.count(), [&](u64 index) {
        const Case& c = cases[index];
        print("attack: ", index, ": ", deed_names[static_cast<u64>(c.deed)], " at ", Hex{c.address}, ", ",
              name_of(c.mode));
        commit(c);
    });
}

} // namespace bulkhead::guest
