// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#pragma once

#include <cstring>
#include <span>

#include "mm/address.hpp"

namespace bulkhead {

inline constexpr u64 long_mode_tables_size = 6 * page_size;

/// Page tables that map the first 4 GiB one to one in pages of 2 MiB, writable and executable (SDM 3A 4.5): `tables`
/// is the guest's memory at `address`, page-aligned, where CR3 is to point to.
inline void write_long_mode_tables(GuestPhysical address, std::span<u8> tables) {
    constexpr u64 present_writable = 3;
    constexpr u64 large = 1 << 7;
    const auto write_entry = [&](u64 table, u64 index, u64 entry) {
        const std::span<u8> place = tables.subspan(table * page_size + index * sizeof entry, sizeof entry);
        std::memcpy(place.data(), &entry, sizeof entry);
    };
    const auto table_at = [&](u64 table) { return (address + table * page_size).value | present_writable; };
    write_entry(0, 0, table_at(1));
    for (u64 i = 0; i < 4; ++i)
        write_entry(1, i, table_at(2 + i));
    for (u64 i = 0; i < 4 * 512; ++i)
        write_entry(2 + i / 512, i % 512, i * large_page_size | present_writable | large);
}

} // namespace bulkhead
