// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#pragma once

#include "mm/table_walker.hpp"

namespace bulkhead {

/// Page tables of one format: a class of static functions that know the bits of an entry, and of the addresses that it
/// translates; see format_*.hpp. How they are walked: see table_walker.hpp.
template <class Format, PhysicalAccess Access, FrameSource Frames> class PageTable {
public:
    using Input = typename Format::Input;

    /// A table with nothing mapped, in a frame of `frames`. `access` and `frames` must outlive it.
    [[nodiscard]] static Result<PageTable> create(Access& access, Frames& frames, PagingCapabilities capabilities) {
        const Result<HostPhysical> root = TableWalker<Access, Frames>::create_root(access, frames);
        if (!root)
            return std::unexpected(root.error());
        return PageTable(access, frames, *root, capabilities);
    }

    /// An existing table.
    PageTable(Access& access, Frames& frames, HostPhysical root, PagingCapabilities capabilities)
        : walker_(page_format_of<Format>, access, frames, root, capabilities) {}

    [[nodiscard]] HostPhysical root() const { return walker_.root(); }

    /// Maps [address, address + size) to [physical, physical + size) with the largest pages there can be, whatever was
    /// mapped there. All three are multiples of 4 KiB, `size` is not 0. A table whose place a large page takes is not
    /// used again. Errors: misaligned, outside of what the table or the CPU can address, rights that the format has
    /// not, no frame left (what came before that page is mapped then).
    [[nodiscard]] Result<TlbFlush> map(Input address, HostPhysical physical, u64 size, Attributes attributes) {
        return walker_.map(address.value, physical, size, attributes);
    }

    /// Takes the mappings of a range away; holes in it do not matter. Tables stay, to be used again.
    /// Errors: as for map(). A frame is needed only where the range begins or ends inside a large page.
    [[nodiscard]] Result<TlbFlush> unmap(Input address, u64 size) { return walker_.unmap(address.value, size); }

    /// Gives a range other rights, and leaves the addresses and the kind of memory. Errors: as for map(), and a hole in
    /// the range, in which case nothing is changed.
    [[nodiscard]] Result<TlbFlush> protect(Input address, u64 size, Rights rights) {
        return walker_.protect(address.value, size, rights);
    }

    /// Where `address` leads; nothing if it is not mapped or not an address this table could translate.
    [[nodiscard]] std::optional<Mapping> lookup(Input address) const { return walker_.lookup(address.value); }

private:
    TableWalker<Access, Frames> walker_;
};

} // namespace bulkhead
