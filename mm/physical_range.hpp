// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#pragma once

#include "mm/address.hpp"

namespace bulkhead {

/// A range of physical memory: `size` bytes from `start`.
struct PhysicalRange {
    HostPhysical start;
    u64 size = 0;

    /// The first byte behind the range. Meaningful only where the range does not wrap.
    [[nodiscard]] constexpr HostPhysical end() const { return start + size; }
    friend constexpr bool operator==(const PhysicalRange&, const PhysicalRange&) = default;
};

} // namespace bulkhead
