// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// Where a large executable page is dangerous (arch/x86_64/arch_capabilities.hpp), a guest's RAM is mapped without
// execute, and what it executes becomes 4 KiB pages as it does so. This runs after an exit, so it is no TableWalker,
// which calls through pointers.
#pragma once

#include "mm/format_ept.hpp"
#include "mm/physical_access.hpp"

namespace bulkhead::vmx {

/// After a fetch at `address`, below 2^48, has violated the EPT at `root`, whose pages have at most 2 MiB: makes the
/// 4 KiB page executable, or all 512 of the 2 MiB page, in a table out of `spares`. False: nothing is mapped there, or
/// no spare table is left; then nothing was changed.
///
/// Hardware may walk the tables at any time: a new table is filled before the one store that puts it there. Nothing has
/// to be flushed: on this CPU the violation has done so for its address (SDM 3C 29.4.3.1); where others still have the
/// old page, it leads to the same memory, and a fetch exits once more. One CPU at a time may call this.
template <PhysicalAccess Access, FrameSource Spares>
bool make_executable(Access& tables, Spares& spares, HostPhysical root, u64 address) {
    constexpr u64 entries = page_size / sizeof(u64);
    HostPhysical table = root;
    for (unsigned level = 3;; --level) {
        const HostPhysical slot = table + (address >> (12 + 9 * level)) % entries * sizeof(u64);
        const u64 entry = tables.read(slot);
        if (!EptFormat::is_present(entry))
            return false;
        if (!EptFormat::is_leaf(entry, level)) {
            table = EptFormat::address(entry);
            continue;
        }
        const u64 executable = entry | EptFormat::X::mask;
        if (level == 0 || entry == executable) {
            tables.write(slot, executable);
            return true;
        }
        const Result<HostPhysical> spare = spares.allocate();
        if (!spare)
            return false;
        for (u64 i = 0; i < entries; ++i)
            tables.write(*spare + i * sizeof(u64), (executable & ~EptFormat::PS::mask) + i * page_size);
        tables.write(slot, EptFormat::table(*spare, level));
        return true;
    }
}

} // namespace bulkhead::vmx
