// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// One walker for every format of table that translates in steps of 9 bits: host, EPT and NPT, later those of IOMMUs.
// Level 0 is that of 4 KiB pages, level 1 of 2 MiB, level 2 of 1 GiB.
//
// Hardware may walk the tables at any time: a new table is filled before the entry that points to it is written, and
// each change is one 64-bit store, so that a walk finds for every address the old mapping or the new one, nothing else.
// One CPU at a time changes a table.
#pragma once

#include <optional>

#include "mm/page_format.hpp"
#include "mm/physical_access.hpp"

namespace bulkhead {

/// What the CPU's walker of this format can do.
struct PagingCapabilities {
    unsigned levels = 4;         ///< 3 to 5
    bool huge_pages = false;     ///< 1 GiB pages
    unsigned physical_bits = 52; ///< MAXPHYADDR
};

/// Whether translations that were changed may still be cached, so that the caller has to flush them.
enum class TlbFlush : bool { NotNeeded, Needed };

/// Where an address leads.
struct Mapping {
    HostPhysical physical; ///< of exactly this address
    u64 size = 0;          ///< of the page that it is in, bytes
    Rights rights;
    MemoryKind kind = MemoryKind::WriteBack;
    friend constexpr bool operator==(const Mapping&, const Mapping&) = default;
};

/// What PageTable does, see there, for addresses that are plain numbers.
template <PhysicalAccess Access, FrameSource Frames> class TableWalker {
public:
    TableWalker(const PageFormat& format, Access& access, Frames& frames, HostPhysical root,
                PagingCapabilities capabilities)
        : format_(&format), access_(&access), frames_(&frames), root_(root), capabilities_(capabilities) {}

    [[nodiscard]] static Result<HostPhysical> create_root(Access& access, Frames& frames) {
        const Result<HostPhysical> root = frames.allocate();
        if (root)
            for (unsigned i = 0; i < entries; ++i)
                access.write(*root + i * sizeof(u64), 0);
        return root;
    }

    [[nodiscard]] HostPhysical root() const { return root_; }
    [[nodiscard]] Result<TlbFlush> map(u64 address, HostPhysical physical, u64 size, Attributes attributes);
    [[nodiscard]] Result<TlbFlush> unmap(u64 address, u64 size);
    [[nodiscard]] Result<TlbFlush> protect(u64 address, u64 size, Rights rights);
    [[nodiscard]] std::optional<Mapping> lookup(u64 address) const;

private:
    static constexpr unsigned entries = page_size / sizeof(u64);

    /// An entry, and what it held when it was read.
    struct Slot {
        HostPhysical address;
        u64 entry = 0;
        unsigned level = 0;
    };

    /// Bytes that an entry of `level` covers.
    static constexpr u64 span(unsigned level) { return page_size << (9 * level); }
    /// Bytes from `address` to the end of what an entry of `level` covers.
    static constexpr u64 rest_of_span(u64 address, unsigned level) { return span(level) - address % span(level); }

    [[nodiscard]] bool is_present(const Slot& slot) const { return format_->is_present(slot.entry); }
    [[nodiscard]] bool can_translate(u64 address) const {
        const unsigned bits = 12 + 9 * capabilities_.levels;
        if (!format_->sign_extended)
            return address >> bits == 0;
        const u64 upper = address >> (bits - 1);
        return upper == 0 || upper == ~u64{0} >> (bits - 1);
    }

    [[nodiscard]] Result<void> check_input(u64 address, u64 size) const {
        if (address % page_size != 0 || size == 0 || size % page_size != 0)
            return fail("page table: address and size must be multiples of 4096, the size not 0", address | size);
        const u64 last = address + (size - 1);
        const bool crosses_the_gap = (address ^ last) >> 63 != 0;
        if (last < address || crosses_the_gap || !can_translate(address) || !can_translate(last))
            return fail("page table: the range is not one that it can translate", address);
        return {};
    }

    [[nodiscard]] Result<void> check_physical(HostPhysical physical, u64 size) const {
        if (!physical.is_aligned(page_size))
            return fail("page table: the physical address must be a multiple of 4096", physical.value);
        const u64 limit = u64{1} << capabilities_.physical_bits;
        if (physical.value >= limit || size > limit - physical.value)
            return fail("page table: the range is beyond the CPU's physical addresses", physical.value);
        return {};
    }

    [[nodiscard]] unsigned largest_level(u64 addresses, u64 size) const {
        unsigned level = capabilities_.huge_pages ? 2 : 1;
        while (level > 0 && (addresses % span(level) != 0 || size < span(level)))
            --level;
        return level;
    }

    [[nodiscard]] Slot read(HostPhysical table, u64 address, unsigned level) const {
        const HostPhysical at = table + (address / span(level) % entries) * sizeof(u64);
        return {.address = at, .entry = access_->read(at), .level = level};
    }

    /// The leaf or hole that `address` leads to, or the entry at level `lowest`.
    [[nodiscard]] Slot find(u64 address, unsigned lowest = 0) const {
        Slot slot = read(root_, address, capabilities_.levels - 1);
        while (slot.level > lowest && is_present(slot) && !format_->is_leaf(slot.entry, slot.level))
            slot = read(format_->address(slot.entry), address, slot.level - 1);
        return slot;
    }

    /// The entry for `address` at `level`; makes the tables on the way, and splits pages that are larger.
    [[nodiscard]] Result<Slot> reach(u64 address, unsigned level) {
        Slot slot = find(address, level);
        while (slot.level > level) {
            const Result<HostPhysical> table = refine(slot);
            if (!table)
                return std::unexpected(table.error());
            slot = read(*table, address, slot.level - 1);
        }
        return slot;
    }

    /// Puts a table in the place of a hole or a large page: the table translates as what it replaces.
    [[nodiscard]] Result<HostPhysical> refine(const Slot& slot) {
        const Result<HostPhysical> table = frames_->allocate();
        if (!table)
            return table;
        const unsigned level = slot.level - 1;
        for (unsigned i = 0; i < entries; ++i) {
            const u64 entry = is_present(slot) ? format_->leaf(format_->address(slot.entry) + i * span(level), level,
                                                               format_->attributes(slot.entry))
                                               : 0;
            access_->write(*table + i * sizeof(u64), entry);
        }
        access_->write(slot.address, format_->table(*table, slot.level));
        return table;
    }

    TlbFlush replace(const Slot& slot, u64 entry) {
        if (slot.entry == entry)
            return TlbFlush::NotNeeded;
        access_->write(slot.address, entry);
        // What is not present is not cached. SDM 3A 4.10.2.3, 3C 29.4.2; APM 2 5.5.2
        return is_present(slot) ? TlbFlush::Needed : TlbFlush::NotNeeded;
    }

    /// Replaces every leaf in the range by the same with `rights`, or by a hole.
    [[nodiscard]] Result<TlbFlush> rewrite(u64 address, u64 size, std::optional<Rights> rights);

    const PageFormat* format_;
    Access* access_;
    Frames* frames_;
    HostPhysical root_;
    PagingCapabilities capabilities_;
};

template <PhysicalAccess Access, FrameSource Frames>
Result<TlbFlush> TableWalker<Access, Frames>::map(u64 address, HostPhysical physical, u64 size, Attributes attributes) {
    if (const auto checked = check_input(address, size); !checked)
        return std::unexpected(checked.error());
    if (const auto checked = check_physical(physical, size); !checked)
        return std::unexpected(checked.error());
    if (!format_->can_grant(attributes.rights))
        return fail("page table: the format has no such rights", address);
    TlbFlush flush = TlbFlush::NotNeeded;
    for (u64 done = 0; done < size;) {
        const unsigned level = largest_level((address + done) | (physical + done).value, size - done);
        const Result<Slot> slot = reach(address + done, level);
        if (!slot)
            return std::unexpected(slot.error());
        if (replace(*slot, format_->leaf(physical + done, level, attributes)) == TlbFlush::Needed)
            flush = TlbFlush::Needed;
        done += span(level);
    }
    return flush;
}

template <PhysicalAccess Access, FrameSource Frames>
Result<TlbFlush> TableWalker<Access, Frames>::rewrite(u64 address, u64 size, std::optional<Rights> rights) {
    TlbFlush flush = TlbFlush::NotNeeded;
    for (u64 done = 0; done < size;) {
        const u64 here = address + done;
        Slot slot = find(here);
        while (is_present(slot) && (here % span(slot.level) != 0 || size - done < span(slot.level))) {
            const Result<Slot> smaller = reach(here, slot.level - 1);
            if (!smaller)
                return std::unexpected(smaller.error());
            slot = *smaller;
        }
        const u64 entry = rights ? format_->leaf(format_->address(slot.entry), slot.level,
                                                 {*rights, format_->attributes(slot.entry).kind})
                                 : 0;
        if (is_present(slot) && replace(slot, entry) == TlbFlush::Needed)
            flush = TlbFlush::Needed;
        done += rest_of_span(here, slot.level);
    }
    return flush;
}

template <PhysicalAccess Access, FrameSource Frames>
Result<TlbFlush> TableWalker<Access, Frames>::unmap(u64 address, u64 size) {
    if (const auto checked = check_input(address, size); !checked)
        return std::unexpected(checked.error());
    return rewrite(address, size, std::nullopt);
}

template <PhysicalAccess Access, FrameSource Frames>
Result<TlbFlush> TableWalker<Access, Frames>::protect(u64 address, u64 size, Rights rights) {
    if (const auto checked = check_input(address, size); !checked)
        return std::unexpected(checked.error());
    if (!format_->can_grant(rights))
        return fail("page table: the format has no such rights", address);
    for (u64 done = 0; done < size;) {
        const Slot slot = find(address + done);
        if (!is_present(slot))
            return fail("page table: rights of a page that is not mapped", address + done);
        done += rest_of_span(address + done, slot.level);
    }
    return rewrite(address, size, rights);
}

template <PhysicalAccess Access, FrameSource Frames>
std::optional<Mapping> TableWalker<Access, Frames>::lookup(u64 address) const {
    if (!can_translate(address))
        return std::nullopt;
    const Slot slot = find(address);
    if (!is_present(slot))
        return std::nullopt;
    const Attributes attributes = format_->attributes(slot.entry);
    return Mapping{.physical = format_->address(slot.entry) + address % span(slot.level),
                   .size = span(slot.level),
                   .rights = attributes.rights,
                   .kind = attributes.kind};
}

} // namespace bulkhead
