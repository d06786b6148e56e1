// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#pragma once

#include <span>

#include "boot/boot_info.hpp"
#include "config/placement.hpp"

namespace bulkhead {

/// The free frames of a machine while they are given away: ranges in ascending order, all multiples of 2 MiB.
class FreeMemory {
public:
    /// `storage` limits the number of ranges; where there are more, the rest of the memory stays unused.
    /// Where there are `nodes`, no range reaches from one into another.
    FreeMemory(std::span<PhysicalRange> storage, std::span<const PhysicalRange> machine,
               std::span<const NodeMemory> nodes = {});

    /// All functions behind these two see the memory of this node alone, or all of it again.
    void look_at(u32 node) { node_ = node; }
    void look_at_all() { node_ = whole_machine; }

    [[nodiscard]] std::span<const PhysicalRange> ranges() const { return storage_.first(count_); } ///< of all nodes
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
    /// Takes these frames; false: not all of them are free, and nothing was taken.
    [[nodiscard]] bool take_exactly(const PhysicalRange& wanted);

private:
    static constexpr u64 whole_machine = ~u64{0}; // no node: those have 32 bits
    static constexpr u64 no_node = ~u64{1};

    void add(u64 start, u64 end);
    void add_of_one_node(u64 start, u64 end);
    [[nodiscard]] u64 node_at(u64 address) const;
    [[nodiscard]] bool sees(const PhysicalRange& range) const;
    void take(std::size_t index, HostPhysical start, u64 size);

    std::span<PhysicalRange> storage_;
    std::span<const NodeMemory> nodes_;
    std::size_t count_ = 0;
    u64 node_ = whole_machine;
};

} // namespace bulkhead
