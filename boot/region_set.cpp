// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "boot/region_set.hpp"

#include <algorithm>
#include <array>

namespace bulkhead {
namespace {

bool wraps(PhysicalRange range) { return range.size > ~u64{0} - range.start.value; }

} // namespace

std::size_t RegionSet::first_ending_at_or_after(HostPhysical address) const {
    std::size_t index = 0;
    while (index < count_ && storage_[index].end() < address)
        ++index;
    return index;
}

Result<void> RegionSet::splice(std::size_t index, std::size_t removed, std::span<const PhysicalRange> with) {
    const std::size_t new_count = count_ - removed + with.size();
    if (new_count > storage_.size())
        return fail("region set: more ranges than it has room for", storage_.size());
    const auto tail = storage_.subspan(index + removed, count_ - index - removed);
    const auto target = storage_.subspan(index + with.size(), tail.size());
    if (with.size() > removed)
        std::copy_backward(tail.begin(), tail.end(), target.end());
    else
        std::copy(tail.begin(), tail.end(), target.begin());
    std::copy(with.begin(), with.end(), storage_.begin() + static_cast<std::ptrdiff_t>(index));
    count_ = new_count;
    return {};
}

Result<void> RegionSet::add(PhysicalRange range) {
    if (wraps(range))
        return fail("region set: the range wraps around the end of the address space", range.start.value);
    if (range.size == 0)
        return {};
    const std::size_t first = first_ending_at_or_after(range.start);
    HostPhysical start = range.start;
    HostPhysical end = range.end();
    std::size_t behind = first;
    for (; behind < count_ && storage_[behind].start <= range.end(); ++behind) {
        start = std::min(start, storage_[behind].start);
        end = std::max(end, storage_[behind].end());
    }
    const std::array merged{PhysicalRange{start, end - start}};
    return splice(first, behind - first, merged);
}

Result<void> RegionSet::subtract(PhysicalRange range) {
    if (wraps(range))
        return fail("region set: the range wraps around the end of the address space", range.start.value);
    if (range.size == 0)
        return {};
    const std::size_t first = first_ending_at_or_after(range.start + 1);
    std::size_t behind = first;
    while (behind < count_ && storage_[behind].start < range.end())
        ++behind;
    if (first == behind)
        return {};
    // What remains of the first and the last range touched, on either side of the hole.
    std::array<PhysicalRange, 2> rest{};
    std::size_t rests = 0;
    const PhysicalRange low = storage_[first];
    const PhysicalRange high = storage_[behind - 1];
    if (low.start < range.start)
        rest[rests++] = {low.start, range.start - low.start};
    if (high.end() > range.end())
        rest[rests++] = {range.end(), high.end() - range.end()};
    return splice(first, behind - first, std::span<const PhysicalRange>(rest).first(rests));
}

bool RegionSet::contains(PhysicalRange range) const {
    if (wraps(range))
        return false;
    if (range.size == 0)
        return true;
    const std::size_t index = first_ending_at_or_after(range.end());
    return index < count_ && storage_[index].start <= range.start;
}

std::optional<HostPhysical> RegionSet::find(u64 size, u64 alignment, HostPhysical from) const {
    for (const PhysicalRange& range : ranges()) {
        const HostPhysical lowest = std::max(range.start, from);
        const HostPhysical start = lowest.align_up(alignment);
        const bool wrapped = start < lowest;
        if (!wrapped && start < range.end() && range.end() - start >= size)
            return start;
    }
    return std::nullopt;
}

u64 RegionSet::total() const {
    u64 bytes = 0;
    for (const PhysicalRange& range : ranges())
        bytes += range.size;
    return bytes;
}

} // namespace bulkhead
