// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// Any physical address, seen through pages of each size.
#pragma once

#include <array>

#include "guests/lib/cpu.hpp"
#include "guests/lib/guest.hpp"

namespace bulkhead::guest::attack {

enum class PageSize { small, large, huge };
inline constexpr PageSize page_sizes[] = {PageSize::small, PageSize::large, PageSize::huge};
constexpr u64 bytes_of(PageSize size) {
    return size == PageSize::small ? 4 * KiB : size == PageSize::large ? 2 * MiB : 1 * GiB;
}
constexpr std::string_view name_of(PageSize size) {
    return size == PageSize::small ? "4 KiB" : size == PageSize::large ? "2 MiB" : "1 GiB";
}

/// Entries of the tables behind the window, for what is to be wrong in them.
struct Window {
    u64 top[512], pointers[512], directory[512], pages[512];
};
extern "C" u64 page_map[]; // start.S
alignas(4096) inline Window tables;

inline constexpr u64 window_slot = 1; // of the top level
inline constexpr u64 window = window_slot << 39;
inline constexpr u64 rights = 7, large_bit = 0x80;

inline void flush() { write_cr3(read_cr3()); }

/// Two pages of this size, one behind the other, of which the first has `physical`. Returns where that is seen.
inline u64 show(u64 physical, PageSize size) {
    const u64 bytes = bytes_of(size);
    const u64 base = physical & ~(bytes - 1);
    const auto table = [](u64* entries) { return reinterpret_cast<u64>(entries) | rights; };
    for (u64 i = 0; i < 2; ++i) {
        tables.pages[i] = (base + i * bytes) | rights;
        tables.directory[i] = size == PageSize::large ? (base + i * bytes) | rights | large_bit : table(tables.pages);
        tables.pointers[i] = size == PageSize::huge ? (base + i * bytes) | rights | large_bit : table(tables.directory);
    }
    page_map[window_slot] = table(tables.pointers);
    flush();
    return window + (physical - base);
}

/// VGA, option ROMs; HPET and TPM, behind the APICs, flash with the firmware: its first word and that of the reset.
inline constexpr auto absent = std::to_array<u64>({0xa0000, 0xb8000, 0xc0000, 0xdfff0, 0xfec01000, 0xfed00000,
                                                   0xfed40000, 0xfee01000, 0xff000000, 0xffc00000, 0xfffffff0});

inline u64 end_of_ram() {
    u64 end = 0;
    for (unsigned i = 0; i < memory_range_count(); ++i)
        if (const MemoryRange range = memory_range(i); range.address < 3 * GiB)
            end = range.address + range.size;
    return end;
}

/// The number of bits of a physical address.
inline unsigned address_bits() { return cpuid(0x80000008).eax & 0xff; }
inline bool has_huge_pages() { return (cpuid(0x80000001).edx >> 26 & 1) != 0; }

} // namespace bulkhead::guest::attack
