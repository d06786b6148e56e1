// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#pragma once

#include "mm/address.hpp"
#include "mm/attributes.hpp"

namespace bulkhead {

/// A format of page tables as the walker sees it: the static functions of a class, see format_*.hpp. The walker is
/// compiled once for all of them, and calls through pointers, as tables are changed while booting only.
struct PageFormat {
    bool sign_extended; ///< addresses are canonical: the bits above the table's are copies of its highest
    bool (*can_grant)(Rights rights);
    bool (*is_present)(u64 entry);
    bool (*is_leaf)(u64 entry, unsigned level);
    HostPhysical (*address)(u64 entry);
    Attributes (*attributes)(u64 leaf);
    u64 (*table)(HostPhysical frame, unsigned level);
    u64 (*leaf)(HostPhysical frame, unsigned level, Attributes attributes);
};

template <class Format>
inline constexpr PageFormat page_format_of{.sign_extended = Format::sign_extended,
                                           .can_grant = Format::can_grant,
                                           .is_present = Format::is_present,
                                           .is_leaf = Format::is_leaf,
                                           .address = Format::address,
                                           .attributes = Format::attributes,
                                           .table = Format::table,
                                           .leaf = Format::leaf};

} // namespace bulkhead
