// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#pragma once

#include <optional>
#include <span>

#include "base/result.hpp"
#include "mm/physical_range.hpp"

namespace bulkhead {

/// A set of physical addresses: disjoint ranges, sorted, none touching the next, in storage that the caller provides.
/// An operation that fails leaves the set as it was.
class RegionSet {
public:
    /// Starts empty. `storage` must outlive the set; its size is the largest number of ranges.
    explicit RegionSet(std::span<PhysicalRange> storage) : storage_(storage) {}

    /// Adds all addresses of `range`; what is there already does not matter. An empty range adds nothing.
    /// Errors: the range wraps beyond 2^64 - 1, or the storage is full.
    [[nodiscard]] Result<void> add(PhysicalRange range);

    /// Takes all addresses of `range` out, whether they are there or not. Errors as for add(): a range out of the
    /// middle of another makes two.
    [[nodiscard]] Result<void> subtract(PhysicalRange range);

    /// Whether every address of `range` is in the set; false for a range that wraps, true for an empty one.
    [[nodiscard]] bool contains(PhysicalRange range) const;

    /// The lowest address not below `from` and a multiple of `alignment` (a power of two) at which `size` bytes
    /// (not 0) are in the set.
    [[nodiscard]] std::optional<HostPhysical> find(u64 size, u64 alignment, HostPhysical from = {}) const;

    /// The ranges, in ascending order.
    [[nodiscard]] std::span<const PhysicalRange> ranges() const { return storage_.first(count_); }

    /// Bytes in the set.
    [[nodiscard]] u64 total() const;

private:
    /// Index of the first range that ends at or behind `address`.
    [[nodiscard]] std::size_t first_ending_at_or_after(HostPhysical address) const;
    /// Replaces `removed` ranges at `index` by those of `with`.
    [[nodiscard]] Result<void> splice(std::size_t index, std::size_t removed, std::span<const PhysicalRange> with);

    std::span<PhysicalRange> storage_;
    std::size_t count_ = 0;
};

} // namespace bulkhead
