// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// One walker for every format of table that translates in steps of 9 bits: host, EPT and NPT, later those of IOMMUs.
// A format is a class of static functions that know the bits of an entry; see format_*.hpp. Level 0 is that of 4 KiB
// pages, level 1 of 2 MiB, level 2 of 1 GiB.
//
// Hardware may walk the tables at any time: a new table is filled before the entry that points to it is written, and
// each change is one 64-bit store, so that a walk finds for every address the old mapping or the new one, nothing else.
// One CPU at a time changes a table.
#pragma once

#include <optional>

#include "base/result.hpp"
#include "mm/attributes.hpp"
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

template <class Format, PhysicalAccess Access, FrameSource Frames> class PageTable {
public:
    using Input = typename Format::Input;

    /// A table with nothing mapped, in a frame of `frames`. `access` and `frames` must outlive it.
    [[nodiscard]] static Result<PageTable> create(Access& access, Frames& frames, PagingCapabilities capabilities);

    /// An existing table.
    PageTable(Access& access, Frames& frames, HostPhysical root, PagingCapabilities capabilities)
        : access_(&access), frames_(&frames), root_(root), capabilities_(capabilities) {}

    [[nodiscard]] HostPhysical root() const { return root_; }

    /// Maps [address, address + size) to [physical, physical + size) with the largest pages there can be, whatever was
    /// mapped there. All three are multiples of 4 KiB, `size` is not 0. A table whose place a large page takes is not
    /// used again. Errors: misaligned, outside of what the table or the CPU can address, rights that the format has
    /// not, no frame left (what came before that page is mapped then).
    [[nodiscard]] Result<TlbFlush> map(Input address, HostPhysical physical, u64 size, Attributes attributes);

    /// Takes the mappings of a range away; holes in it do not matter. Tables stay, to be used again.
    /// Errors: as for map(). A frame is needed only where the range begins or ends inside a large page.
    [[nodiscard]] Result<TlbFlush> unmap(Input address, u64 size);

    /// Gives a range other rights, and leaves the addresses and the kind of memory. Errors: as for map(), and a hole in
    /// the range, in which case nothing is changed.
    [[nodiscard]] Result<TlbFlush> protect(Input address, u64 size, Rights rights);

    /// Where `address` leads; nothing if it is not mapped or not an address this table could translate.
    [[nodiscard]] std::optional<Mapping> lookup(Input address) const;

private:
    static constexpr unsigned entries = page_size / sizeof(u64);

    /// An entry, and what it held when it was read.
    struct Slot {
        HostPhysical address;
        u64 entry = 0;
        unsigned level = 0;

        [[nodiscard]] bool is_present() const { return Format::is_present(entry); }
        [[nodiscard]] bool is_leaf() const { return Format::is_leaf(entry, level); }
    };

    /// Bytes that an entry of `level` covers.
    static constexpr u64 span(unsigned level) { return page_size << (9 * level); }
    static constexpr HostPhysical slot_address(HostPhysical table, Input address, unsigned level) {
        return table + (address.value / span(level) % entries) * sizeof(u64);
    }

    [[nodiscard]] bool can_translate(Input address) const;
    [[nodiscard]] Result<void> check_input(Input address, u64 size) const;
    [[nodiscard]] Result<void> check_physical(HostPhysical physical, u64 size) const;
    [[nodiscard]] unsigned largest_level(u64 addresses, u64 size) const;

    [[nodiscard]] Slot read(HostPhysical table, Input address, unsigned level) const;
    /// The leaf or hole that `address` leads to, or the entry at level `lowest`.
    [[nodiscard]] Slot find(Input address, unsigned lowest = 0) const;
    /// The entry for `address` at `level`; makes the tables on the way, and splits pages that are larger.
    [[nodiscard]] Result<Slot> reach(Input address, unsigned level);
    /// Puts a table in the place of a hole or a large page: the table translates as what it replaces.
    [[nodiscard]] Result<HostPhysical> refine(const Slot& slot);
    TlbFlush replace(const Slot& slot, u64 entry);
    /// Replaces every leaf in the range by change(leaf, level).
    template <class Change> [[nodiscard]] Result<TlbFlush> rewrite(Input address, u64 size, Change change);

    Access* access_;
    Frames* frames_;
    HostPhysical root_;
    PagingCapabilities capabilities_;
};

template <class Format, PhysicalAccess Access, FrameSource Frames>
Result<PageTable<Format, Access, Frames>> PageTable<Format, Access, Frames>::create(Access& access, Frames& frames,
                                                                                    PagingCapabilities capabilities) {
    const Result<HostPhysical> root = frames.allocate();
    if (!root)
        return std::unexpected(root.error());
    for (unsigned i = 0; i < entries; ++i)
        access.write(*root + i * sizeof(u64), 0);
    return PageTable(access, frames, *root, capabilities);
}

template <class Format, PhysicalAccess Access, FrameSource Frames>
bool PageTable<Format, Access, Frames>::can_translate(Input address) const {
    const unsigned bits = 12 + 9 * capabilities_.levels;
    if constexpr (Format::sign_extended) {
        const u64 upper = address.value >> (bits - 1);
        return upper == 0 || upper == ~u64{0} >> (bits - 1);
    } else {
        return address.value >> bits == 0;
    }
}

template <class Format, PhysicalAccess Access, FrameSource Frames>
Result<void> PageTable<Format, Access, Frames>::check_input(Input address, u64 size) const {
    if (!address.is_aligned(page_size) || size == 0 || size % page_size != 0)
        return fail("page table: address and size must be multiples of 4096, the size not 0", address.value | size);
    const Input last = address + (size - 1);
    const bool crosses_the_gap = (address.value ^ last.value) >> 63 != 0;
    if (last < address || crosses_the_gap || !can_translate(address) || !can_translate(last))
        return fail("page table: the range is not one that it can translate", address.value);
    return {};
}

template <class Format, PhysicalAccess Access, FrameSource Frames>
Result<void> PageTable<Format, Access, Frames>::check_physical(HostPhysical physical, u64 size) const {
    if (!physical.is_aligned(page_size))
        return fail("page table: the physical address must be a multiple of 4096", physical.value);
    const u64 limit = u64{1} << capabilities_.physical_bits;
    if (physical.value >= limit || size > limit - physical.value)
        return fail("page table: the range is beyond the CPU's physical addresses", physical.value);
    return {};
}

template <class Format, PhysicalAccess Access, FrameSource Frames>
unsigned PageTable<Format, Access, Frames>::largest_level(u64 addresses, u64 size) const {
    unsigned level = capabilities_.huge_pages ? 2 : 1;
    while (level > 0 && (addresses % span(level) != 0 || size < span(level)))
        --level;
    return level;
}

template <class Format, PhysicalAccess Access, FrameSource Frames>
auto PageTable<Format, Access, Frames>::read(HostPhysical table, Input address, unsigned level) const -> Slot {
    const HostPhysical at = slot_address(table, address, level);
    return {.address = at, .entry = access_->read(at), .level = level};
}

template <class Format, PhysicalAccess Access, FrameSource Frames>
auto PageTable<Format, Access, Frames>::find(Input address, unsigned lowest) const -> Slot {
    Slot slot = read(root_, address, capabilities_.levels - 1);
    while (slot.level > lowest && slot.is_present() && !slot.is_leaf())
        slot = read(Format::address(slot.entry), address, slot.level - 1);
    return slot;
}

template <class Format, PhysicalAccess Access, FrameSource Frames>
Result<HostPhysical> PageTable<Format, Access, Frames>::refine(const Slot& slot) {
    const Result<HostPhysical> table = frames_->allocate();
    if (!table)
        return table;
    const unsigned level = slot.level - 1;
    for (unsigned i = 0; i < entries; ++i) {
        const u64 entry = slot.is_present() ? Format::leaf(Format::address(slot.entry) + i * span(level), level,
                                                           Format::attributes(slot.entry))
                                            : 0;
        access_->write(*table + i * sizeof(u64), entry);
    }
    access_->write(slot.address, Format::table(*table, slot.level));
    return table;
}

template <class Format, PhysicalAccess Access, FrameSource Frames>
auto PageTable<Format, Access, Frames>::reach(Input address, unsigned level) -> Result<Slot> {
    Slot slot = find(address, level);
    while (slot.level > level) {
        const Result<HostPhysical> table = refine(slot);
        if (!table)
            return std::unexpected(table.error());
        slot = read(*table, address, slot.level - 1);
    }
    return slot;
}

template <class Format, PhysicalAccess Access, FrameSource Frames>
TlbFlush PageTable<Format, Access, Frames>::replace(const Slot& slot, u64 entry) {
    if (slot.entry == entry)
        return TlbFlush::NotNeeded;
    access_->write(slot.address, entry);
    // What is not present is not cached. SDM 3A 4.10.2.3, 3C 29.4.2; APM 2 5.5.2
    return slot.is_present() ? TlbFlush::Needed : TlbFlush::NotNeeded;
}

template <class Format, PhysicalAccess Access, FrameSource Frames>
Result<TlbFlush> PageTable<Format, Access, Frames>::map(Input address, HostPhysical physical, u64 size,
                                                        Attributes attributes) {
    if (const auto checked = check_input(address, size); !checked)
        return std::unexpected(checked.error());
    if (const auto checked = check_physical(physical, size); !checked)
        return std::unexpected(checked.error());
    if (!Format::can_grant(attributes.rights))
        return fail("page table: the format has no such rights", address.value);
    TlbFlush flush = TlbFlush::NotNeeded;
    for (u64 done = 0; done < size;) {
        const unsigned level = largest_level((address + done).value | (physical + done).value, size - done);
        const Result<Slot> slot = reach(address + done, level);
        if (!slot)
            return std::unexpected(slot.error());
        if (replace(*slot, Format::leaf(physical + done, level, attributes)) == TlbFlush::Needed)
            flush = TlbFlush::Needed;
        done += span(level);
    }
    return flush;
}

template <class Format, PhysicalAccess Access, FrameSource Frames>
template <class Change>
Result<TlbFlush> PageTable<Format, Access, Frames>::rewrite(Input address, u64 size, Change change) {
    TlbFlush flush = TlbFlush::NotNeeded;
    for (u64 done = 0; done < size;) {
        const Input here = address + done;
        Slot slot = find(here);
        while (slot.is_present() && (!here.is_aligned(span(slot.level)) || size - done < span(slot.level))) {
            const Result<Slot> smaller = reach(here, slot.level - 1);
            if (!smaller)
                return std::unexpected(smaller.error());
            slot = *smaller;
        }
        if (slot.is_present() && replace(slot, change(slot.entry, slot.level)) == TlbFlush::Needed)
            flush = TlbFlush::Needed;
        done += span(slot.level) - here.value % span(slot.level);
    }
    return flush;
}

template <class Format, PhysicalAccess Access, FrameSource Frames>
Result<TlbFlush> PageTable<Format, Access, Frames>::unmap(Input address, u64 size) {
    if (const auto checked = check_input(address, size); !checked)
        return std::unexpected(checked.error());
    return rewrite(address, size, [](u64, unsigned) { return u64{0}; });
}

template <class Format, PhysicalAccess Access, FrameSource Frames>
Result<TlbFlush> PageTable<Format, Access, Frames>::protect(Input address, u64 size, Rights rights) {
    if (const auto checked = check_input(address, size); !checked)
        return std::unexpected(checked.error());
    if (!Format::can_grant(rights))
        return fail("page table: the format has no such rights", address.value);
    for (u64 done = 0; done < size;) {
        const Slot slot = find(address + done);
        if (!slot.is_present())
            return fail("page table: rights of a page that is not mapped", (address + done).value);
        done += span(slot.level) - (address + done).value % span(slot.level);
    }
    return rewrite(address, size, [rights](u64 entry, unsigned level) {
        return Format::leaf(Format::address(entry), level, {rights, Format::attributes(entry).kind});
    });
}

template <class Format, PhysicalAccess Access, FrameSource Frames>
std::optional<Mapping> PageTable<Format, Access, Frames>::lookup(Input address) const {
    if (!can_translate(address))
        return std::nullopt;
    const Slot slot = find(address);
    if (!slot.is_present())
        return std::nullopt;
    const Attributes attributes = Format::attributes(slot.entry);
    return Mapping{.physical = Format::address(slot.entry) + address.value % span(slot.level),
                   .size = span(slot.level),
                   .rights = attributes.rights,
                   .kind = attributes.kind};
}

} // namespace bulkhead
