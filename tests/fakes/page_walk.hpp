// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// What hardware does with a table: an independent reading of the manuals, in plain numbers, to compare the walker with.
#pragma once

#include <optional>
#include <stdexcept>

#include "fakes/physical_memory.hpp"
#include "mm/format_ept.hpp"
#include "mm/format_host.hpp"
#include "mm/format_npt.hpp"
#include "mm/page_table.hpp"

namespace bulkhead::fakes {

template <class Format> struct HardwareBits;

template <> struct HardwareBits<HostFormat> {
    static constexpr u64 present = 1, write = 2, no_execute = u64{1} << 63;
    static constexpr u64 must_be_one = 0x20;     // A
    static constexpr u64 must_be_zero = 0x104;   // US, G
    static constexpr u64 table_must_be_zero = 0; // beside the address and the above
};
template <> struct HardwareBits<NptFormat> {
    static constexpr u64 present = 1, write = 2, no_execute = u64{1} << 63;
    static constexpr u64 must_be_one = 0x24; // A, US
    static constexpr u64 must_be_zero = 0x100;
    static constexpr u64 table_must_be_zero = 0;
};
template <> struct HardwareBits<EptFormat> {
    static constexpr u64 present = 7, write = 2, execute = 4;
    static constexpr u64 must_be_one = 1;
    static constexpr u64 must_be_zero = 0xfff0000000000f40; // nothing of ours above the address, no IPAT, A, D
    static constexpr u64 table_must_be_zero = 0x38;
};

/// The walk that a CPU does. Throws where it would find a reserved bit set or run into what is no table.
template <class Format>
std::optional<Mapping> walk(const PhysicalMemory& memory, HostPhysical root, u64 address, unsigned levels) {
    using Bits = HardwareBits<Format>;
    constexpr u64 frame_mask = 0x000ffffffffff000;
    Rights rights = all_rights;
    HostPhysical table = root;
    for (unsigned level = levels;; --level) {
        const unsigned shift = 12 + 9 * (level - 1);
        const u64 entry = memory.read(table + ((address >> shift) & 0x1ff) * 8);
        if ((entry & Bits::present) == 0)
            return std::nullopt;
        if ((entry & Bits::must_be_one) != Bits::must_be_one || (entry & Bits::must_be_zero) != 0)
            throw std::runtime_error("reserved bits of an entry");
        rights.write = rights.write && (entry & Bits::write) != 0;
        if constexpr (requires { Bits::execute; })
            rights.execute = rights.execute && (entry & Bits::execute) != 0;
        else
            rights.execute = rights.execute && (entry & Bits::no_execute) == 0;
        const bool leaf = level == 1 || (entry & 0x80) != 0;
        if (!leaf) {
            if ((entry & Bits::table_must_be_zero) != 0)
                throw std::runtime_error("reserved bits of an entry that points to a table");
            table = {entry & frame_mask};
            continue;
        }
        const u64 size = u64{1} << shift;
        if (level > 3 || (entry & frame_mask) % size != 0)
            throw std::runtime_error("a large page that no CPU has, or misaligned");
        if (level == 1 && !std::is_same_v<Format, EptFormat> && (entry & 0x80) != 0)
            throw std::runtime_error("PAT of a small page");
        MemoryKind kind{};
        if constexpr (std::is_same_v<Format, EptFormat>) {
            const u64 type = entry >> 3 & 7; // 0 UC, 1 WC, 6 WB
            kind = type == 6 ? MemoryKind::WriteBack : type == 0 ? MemoryKind::Uncached : MemoryKind::WriteCombining;
        } else {
            const u64 pat = host_pat >> 8 * (entry >> 3 & 3) & 7; // by PCD and PWT; 7 is UC-
            kind = pat == 6 ? MemoryKind::WriteBack : pat == 0 ? MemoryKind::Uncached : MemoryKind::WriteCombining;
        }
        return Mapping{{(entry & frame_mask) + address % size}, size, rights, kind};
    }
}

} // namespace bulkhead::fakes
