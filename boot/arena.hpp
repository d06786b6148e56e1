// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#pragma once

#include <algorithm>
#include <span>

#include "boot/boot_info.hpp"
#include "boot/firmware.hpp"

namespace bulkhead::boot {

/// The hand-off area: contiguous memory that is filled from the front, first measured and then taken. Without memory
/// it only counts.
class Arena {
public:
    Arena() = default;
    explicit Arena(PhysicalRange memory) : memory_(memory) {}

    /// Room for `count` elements, zeroed; it is empty while the arena only counts, and when it is full.
    template <class T> std::span<T> room(u64 count, u64 alignment = alignof(T)) {
        const u64 start = align_up(used_, alignment);
        used_ = start + count * sizeof(T);
        if (used_ > memory_.size)
            return {};
        const auto elements = at_physical<T>(memory_.start + start, count);
        std::ranges::fill(elements, T{});
        return elements;
    }

    /// A copy of `items`.
    template <class T> PhysicalArray<T> copy(std::span<const T> items) {
        const auto elements = room<T>(items.size());
        if (elements.size() == items.size())
            std::ranges::copy(items, elements.begin());
        return {.address = physical_of(elements.data()), .count = elements.size()};
    }

    /// Bytes so far; beyond the memory's size if it was too small.
    [[nodiscard]] u64 used() const { return used_; }

private:
    PhysicalRange memory_;
    u64 used_ = 0;
};

} // namespace bulkhead::boot
