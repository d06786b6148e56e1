// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#pragma once

#include <expected>

#include "core/guest_fault.hpp"
#include "core/guest_memory.hpp"

namespace bulkhead {

/// What the translation of a guest's linear address depends on. Values as the guest's CPU uses them: the real CR0 and
/// CR4 under SVM, the real ones (not the read shadows) under VMX.
struct PagingState {
    u64 cr0 = 0;
    u64 cr3 = 0;
    u64 cr4 = 0;
    u64 efer = 0;
    u64 rflags = 0; // AC suspends SMAP
    u8 cpl = 0;     // current privilege level, 0 to 3
};

/// A vCPU walks page tables in one of these formats (SDM 3A 4.1.1).
enum class PagingMode : u8 { none, two_level, pae, four_level, five_level };
[[nodiscard]] PagingMode paging_mode(const PagingState& paging);

struct Access {
    bool write = false;
    bool fetch = false;
};

struct Translation {
    GuestPhysical address; // may be anything, a device's too
    u64 remaining = 0;     // bytes from here to the end of the page, at least 1
};

/// Where the guest's own page tables put `linear`, with the checks that its CPU makes (SDM 3A 4.6, APM 2 5.6):
/// user or supervisor, writable with CR0.WP, no-execute, SMEP, SMAP with RFLAGS.AC, and the reserved bits that do not
/// depend on the CPU model. Not checked: protection keys. Address bits above the CPU's width lead to `not_ram`, or to
/// an address that no RAM or device has. PDPTEs come from memory, as nested paging defines it (APM 2 15.25.10).
/// Accessed and dirty bits are not set: for the instruction itself and for an operand that faulted in the second stage,
/// the CPU has done so. Not for the RAM that a string instruction moves to or from a port or a device.
[[nodiscard]] std::expected<Translation, GuestFault> translate(const GuestMemory& memory, const PagingState& paging,
                                                               u64 linear, Access access);

/// The guest-physical address of 4 bytes of code at `linear`, for the exits whose cost counts: 64-bit paging with four
/// levels, the bytes in one page, and everything in common RAM. No permission checks, since the CPU has just fetched
/// from there itself. Returns 0, which is no address of common RAM, if it is not so simple: use translate().
/// Unrolled by hand, since it is most of what a CPUID exit costs where the CPU does not report lengths.
[[nodiscard, gnu::always_inline]] inline u64 translate_code_fast(const GuestMemory& memory, u64 cr3, u64 linear) {
    constexpr u64 frame = 0xf'ffff'ffff'f000;
    constexpr u64 p = 0x01;
    constexpr u64 p_and_ps = 0x81;
    const auto read_entry = [&](u64 table, unsigned shift) -> u64 {
        table &= frame;
        if (!memory.is_common(table)) [[unlikely]]
            return 0; // not present
        return memory.read_unchecked<u64>(table | (linear >> (shift - 3) & 0xff8));
    };
    const auto code_in_page = [&](u64 entry, u64 offset_mask) -> u64 {
        const u64 offset = linear & offset_mask;
        const u64 address = (entry & frame & ~offset_mask) | offset;
        return offset <= offset_mask - 3 && memory.is_common(address) ? address : 0;
    };

    const u64 pml4e = read_entry(cr3, 39);
    if ((pml4e & p) == 0) [[unlikely]]
        return 0;
    const u64 pdpte = read_entry(pml4e, 30);
    if ((pdpte & p_and_ps) != p) [[unlikely]]
        return 0;
    const u64 pde = read_entry(pdpte, 21);
    if ((pde & p_and_ps) == p_and_ps)
        return code_in_page(pde, large_page_size - 1);
    if ((pde & p) == 0) [[unlikely]]
        return 0;
    const u64 pte = read_entry(pde, 12);
    if ((pte & p) == 0) [[unlikely]]
        return 0;
    return code_in_page(pte, page_size - 1);
}

} // namespace bulkhead
