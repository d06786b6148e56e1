// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// Any bytes as the firmware's memory map: what comes out is sorted, disjoint, and usable only where nothing else is.
#include <algorithm>

#include "boot/memory_map.hpp"
#include "fuzz/fuzz.hpp"

namespace bulkhead {
namespace {

using fuzz::require;

void check_converted(const boot::FirmwareMap& map) {
    std::vector<MemoryRange> storage(map.count());
    const auto ranges = boot::convert_memory_map(map, storage);
    if (!ranges)
        return;
    u64 usable_end = 0;
    u64 start = 0;
    for (const MemoryRange& one : *ranges) {
        require(one.range.size != 0, "an empty range");
        require(one.range.size <= ~u64{0} - one.range.start.value, "a range that wraps");
        require(one.range.start.value >= start, "not sorted");
        start = one.range.start.value;
        if (one.type != MemoryType::Usable)
            continue;
        require(one.range.start.value >= usable_end, "usable memory twice");
        usable_end = one.range.start.value + one.range.size;
        for (const MemoryRange& other : *ranges)
            if (&other != &one)
                require(other.range.start.value >= usable_end ||
                            other.range.start.value + other.range.size <= one.range.start.value,
                        "usable memory that is something else, too");
    }
}

void check_free(const boot::FirmwareMap& map, PhysicalRange cut) {
    std::vector<PhysicalRange> storage(map.count() + 1);
    const auto free = boot::free_memory(map, std::span(storage).first(map.count()));
    if (!free)
        return;
    const auto is_sorted = [](std::span<const PhysicalRange> ranges) {
        u64 end = MiB;
        for (const PhysicalRange& range : ranges) {
            if (range.size == 0 || range.start.value < end)
                return false;
            end = range.start.value + range.size;
        }
        return true;
    };
    require(is_sorted(*free), "free memory is not in order");
    const u64 size = cut.size % (64 * MiB) + 1;
    if (const auto block = boot::choose_block(*free, size, large_page_size, 4 * GiB)) {
        require(block->is_aligned(large_page_size) && block->value + size <= 4 * GiB, "a block that was not asked for");
        require(std::ranges::any_of(*free,
                                    [&](const PhysicalRange& range) {
                                        return range.start.value <= block->value &&
                                               block->value + size <= range.start.value + range.size;
                                    }),
                "a block that is not free");
    }
    if (cut.size > ~u64{0} - cut.start.value)
        return;
    const u64 left = boot::cut_out(storage, free->size(), cut);
    require(is_sorted(std::span(storage).first(left)), "what is left is not in order");
    for (const PhysicalRange& range : std::span(storage).first(left))
        require(cut.size == 0 || range.start.value >= cut.start.value + cut.size ||
                    range.start.value + range.size <= cut.start.value,
                "what was cut out is there");
}

} // namespace

void fuzz::try_input(Bytes input) {
    Reader reader(input);
    constexpr u64 strides[] = {40, 48, 0, 1, 39, 56};
    const u64 stride = strides[reader.take<u8>() % std::size(strides)];
    const PhysicalRange cut{{reader.take<u64>()}, reader.take<u64>()};
    const boot::FirmwareMap map{reader.rest(), stride};
    check_converted(map);
    check_free(map, cut);
}

std::vector<fuzz::Seed> fuzz::seeds() {
    Writer map;
    map.number(1, 1).number(0x1200'0000, 8).number(0x20'0000, 8);
    const auto add = [&](u64 type, u64 start, u64 pages, u64 attribute) {
        map.number(type, 8).number(start, 8).number(0, 8).number(pages, 8).number(attribute, 8).number(0, 8);
    };
    add(7, 0, 0xa0, 15);
    add(7, 0x10'0000, 0x700, 15);
    add(10, 0x80'0000, 0x10, 15);
    add(4, 0x81'0000, 0x7f0, 15);
    add(7, 0x100'0000, 0x7'0000, 15);
    add(3, 0x7100'0000, 0x100, 15);
    add(9, 0x7110'0000, 0x10, 15);
    add(6, 0x7120'0000, 0x10, u64{1} << 63 | 15);
    add(11, 0xe000'0000, 0x1'0000, u64{1} << 63 | 1);
    add(7, 0x1'0000'0000, 0x8'0000, 0x40000 | 15);
    return {map.seed()};
}

} // namespace bulkhead
