// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#pragma once

#include <span>

#include "boot/boot_info.hpp"

namespace bulkhead {

/// The free frames of a machine while they are given away: ranges in ascending order, all multiples of 2 MiB.
class FreeMemory {
public:
    /// `storage` limits the number of ranges; where there are more, the rest of the memory stays unused.
    FreeMemory(std::span<PhysicalRange> storage, std::span<const PhysicalRange> machine);

    [[nodiscard]] u64 total() const;
    [[nodiscard]] u64 largest() const; ///< bytes of the largest range

    /// Takes `size` bytes in one piece at a multiple of `alignment` (2 MiB or 1 GiB) and returns its start, from the
    /// place that breaks up the fewest 1 GiB frames, then from the smallest range, then the lowest. False: there is
    /// none.
    [[nodiscard]] bool take_piece(u64 size, u64 alignment, HostPhysical& start);
    /// Takes at most `limit` bytes (a multiple of 1 GiB) of whole 1 GiB frames in one piece: as many as there are.
    [[nodiscard]] PhysicalRange take_frames(u64 limit);
    /// Takes the largest range, the lowest of equals. Size 0: nothing is left.
    [[nodiscard]] PhysicalRange take_largest();

private:
    std::span<const PhysicalRange> ranges() const { return storage_.first(count_); }
    void add(u64 start, u64 end);
    void take(std::size_t index, HostPhysical start, u64 size);

    std::span<PhysicalRange> storage_;
    std::size_t count_ = 0;
};

} // namespace bulkhead
