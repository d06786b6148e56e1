// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "config/free_memory.hpp"

#include <algorithm>
#include <limits>

namespace bulkhead {
namespace {

u64 end_of(const PhysicalRange& range) { return range.start.value + range.size; }

/// Where the first frame begins that is behind an edge of a node.
u64 align_up_or_0(u64 edge) {
    return edge > std::numeric_limits<u64>::max() - large_page_size ? 0 : align_up(edge, large_page_size);
}

/// Whole 1 GiB frames, in bytes.
u64 frames_in(u64 start, u64 end) {
    const u64 first = align_up(start, huge_page_size);
    const u64 last = align_down(end, huge_page_size);
    return last > first ? last - first : 0;
}

} // namespace

FreeMemory::FreeMemory(std::span<PhysicalRange> storage, std::span<const PhysicalRange> machine,
                       std::span<const NodeMemory> nodes)
    : storage_(storage), nodes_(nodes) {
    // Half of the address space is more than any CPU has, and leaves room to align.
    constexpr u64 limit = std::numeric_limits<u64>::max() / 2;
    u64 start = 0;
    u64 end = 0;
    for (const PhysicalRange& range : machine) {
        if (range.start.value >= limit || range.size > limit - range.start.value)
            continue;
        // Neighbours are one range here: firmware splits memory that it used for different things.
        if (range.start.value > end) {
            add(start, end);
            start = range.start.value;
        }
        end = std::max(end, end_of(range));
    }
    add(start, end);
}

void FreeMemory::add(u64 start, u64 end) {
    // A guest's frames are never at 0: that is where firmware and the CPUs' start code are.
    start = std::max(align_up(start, large_page_size), large_page_size);
    end = align_down(end, large_page_size);
    while (start < end) {
        u64 border = end;
        for (const NodeMemory& node : nodes_)
            for (const u64 edge : {align_up_or_0(node.range.start.value), align_up_or_0(node.range.end().value)})
                border = edge > start ? std::min(border, edge) : border;
        add_of_one_node(start, border);
        start = border;
    }
}

/// But where firmware's nodes are not multiples of 2 MiB: there the frame's first byte decides.
void FreeMemory::add_of_one_node(u64 start, u64 end) {
    if (count_ > 0 && end_of(storage_[count_ - 1]) == start &&
        node_at(start) == node_at(storage_[count_ - 1].start.value))
        storage_[count_ - 1].size += end - start;
    else if (count_ < storage_.size())
        storage_[count_++] = {{start}, end - start};
}

u64 FreeMemory::node_at(u64 address) const {
    for (const NodeMemory& node : nodes_)
        if (address >= node.range.start.value && address < node.range.end().value)
            return node.node;
    return no_node;
}

bool FreeMemory::sees(const PhysicalRange& range) const {
    return node_ == whole_machine || node_at(range.start.value) == node_;
}

u64 FreeMemory::total() const {
    u64 sum = 0;
    for (const PhysicalRange& range : ranges())
        sum += sees(range) ? range.size : 0;
    return sum;
}

u64 FreeMemory::largest() const {
    u64 size = 0;
    for (const PhysicalRange& range : ranges())
        size = std::max(size, sees(range) ? range.size : 0);
    return size;
}

void FreeMemory::take(std::size_t index, HostPhysical start, u64 size) {
    PhysicalRange& range = storage_[index];
    const u64 before = start - range.start;
    const PhysicalRange rest{start + size, range.size - before - size};
    range.size = before;
    const bool keeps_front = before != 0;
    if (keeps_front && rest.size != 0) {
        if (count_ == storage_.size())
            return; // no room for a further range: the rest stays unused
        std::ranges::move_backward(storage_.subspan(index + 1, count_ - index - 1),
                                   storage_.begin() + static_cast<std::ptrdiff_t>(count_ + 1));
        ++count_;
        storage_[index + 1] = rest;
    } else if (rest.size != 0) {
        range = rest;
    } else if (!keeps_front) {
        std::ranges::move(storage_.subspan(index + 1, count_ - index - 1),
                          storage_.begin() + static_cast<std::ptrdiff_t>(index));
        --count_;
    }
}

bool FreeMemory::take_piece(u64 size, u64 alignment, HostPhysical& start) {
    struct Rank {
        u64 broken;
        u64 range;
        auto operator<=>(const Rank&) const = default;
    };
    Rank best{std::numeric_limits<u64>::max(), 0};
    std::size_t best_index = count_;
    for (std::size_t i = 0; i < count_; ++i) {
        const u64 first = storage_[i].start.value;
        const u64 end = end_of(storage_[i]);
        const u64 lowest = align_up(first, alignment);
        if (lowest >= end || size > end - lowest || !sees(storage_[i]))
            continue;
        for (const u64 place : {lowest, align_down(end - size, alignment)}) {
            const u64 broken = frames_in(first, end) - frames_in(first, place) - frames_in(place + size, end);
            if (const Rank rank{broken, storage_[i].size}; rank < best) {
                best = rank;
                best_index = i;
                start = {place};
            }
        }
    }
    if (best_index == count_)
        return false;
    take(best_index, start, size);
    return true;
}

PhysicalRange FreeMemory::take_frames(u64 limit) {
    u64 best_frames = 0;
    std::size_t best = count_;
    for (std::size_t i = 0; i < count_; ++i) {
        const u64 frames = sees(storage_[i]) ? frames_in(storage_[i].start.value, end_of(storage_[i])) : 0;
        // The smallest that has enough, else the one with the most.
        if (best_frames < limit ? frames > best_frames : frames >= limit && frames < best_frames) {
            best_frames = frames;
            best = i;
        }
    }
    if (best == count_)
        return {};
    const PhysicalRange taken{storage_[best].start.align_up(huge_page_size), std::min(limit, best_frames)};
    take(best, taken.start, taken.size);
    return taken;
}

PhysicalRange FreeMemory::take_largest() {
    std::size_t best = count_;
    for (std::size_t i = 0; i < count_; ++i)
        if (sees(storage_[i]) && (best == count_ || storage_[i].size > storage_[best].size))
            best = i;
    if (best == count_)
        return {};
    const PhysicalRange taken = storage_[best];
    take(best, taken.start, taken.size);
    return taken;
}

bool FreeMemory::take_exactly(const PhysicalRange& wanted) {
    // Neighbours are separate ranges where a node ends.
    u64 covered = 0;
    for (const PhysicalRange& range : ranges()) {
        const u64 start = std::max(range.start.value, wanted.start.value);
        const u64 end = std::min(end_of(range), end_of(wanted));
        covered += end > start ? end - start : 0;
    }
    if (covered != wanted.size)
        return false;
    for (std::size_t i = count_; i-- > 0;) {
        const u64 start = std::max(storage_[i].start.value, wanted.start.value);
        const u64 end = std::min(end_of(storage_[i]), end_of(wanted));
        if (end > start)
            take(i, {start}, end - start);
    }
    return true;
}

} // namespace bulkhead
