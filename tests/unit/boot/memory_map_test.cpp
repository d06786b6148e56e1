// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "boot/memory_map.hpp"

#include <cstring>
#include <random>
#include <vector>

#include <catch2/catch_test_macros.hpp>

using namespace bulkhead;
using namespace bulkhead::boot;

namespace {

constexpr u64 stride = 48; // as EDK2 has it: larger than the descriptor

struct Map {
    Map& add(u32 type, u64 start, u64 pages, u64 attribute = 0xf) {
        std::vector<u8> entry(stride);
        std::memcpy(entry.data(), &type, 4);
        std::memcpy(entry.data() + 8, &start, 8);
        std::memcpy(entry.data() + 24, &pages, 8);
        std::memcpy(entry.data() + 32, &attribute, 8);
        bytes.insert(bytes.end(), entry.begin(), entry.end());
        return *this;
    }
    [[nodiscard]] FirmwareMap view() const { return {.bytes = bytes, .stride = stride}; }
    std::vector<u8> bytes;
};

std::vector<MemoryRange> convert(const Map& map) {
    std::vector<MemoryRange> room(map.view().count());
    const auto ranges = convert_memory_map(map.view(), room);
    REQUIRE(ranges.has_value());
    return {ranges->begin(), ranges->end()};
}

std::vector<PhysicalRange> free_of(const Map& map) {
    std::vector<PhysicalRange> room(map.view().count());
    const auto ranges = free_memory(map.view(), room);
    REQUIRE(ranges.has_value());
    return {ranges->begin(), ranges->end()};
}

} // namespace

TEST_CASE("the memory map is sorted, neighbours of a type are merged, the loader's memory is reserved") {
    Map map;
    map.add(7, 0x10'0000, 0x100) // conventional
        .add(4, 0x20'0000, 0x10) // boot services data: usable after
        .add(2, 0x21'0000, 0x10) // loader data
        .add(1, 0x22'0000, 0x10) // loader code
        .add(3, 0, 0xa0)         // boot services code, at 0
        .add(9, 0x23'0000, 1)    // ACPI reclaim
        .add(10, 0x23'1000, 1)   // ACPI NVS
        .add(5, 0x23'2000, 1)    // runtime code
        .add(6, 0x23'3000, 1)    // runtime data
        .add(11, 0xfec0'0000, 1) // memory-mapped I/O
        .add(8, 0x23'4000, 1)    // unusable
        .add(15, 0x23'5000, 1)   // unaccepted: not in our table
        .add(0x8000'0000, 0x23'6000, 1);
    const auto ranges = convert(map);
    REQUIRE(ranges.size() == 10);
    CHECK(ranges[0].type == MemoryType::Usable);
    CHECK(ranges[0].range == PhysicalRange{{0}, 0xa'0000});
    CHECK(ranges[1].range == PhysicalRange{{0x10'0000}, 0x11'0000});
    CHECK(ranges[2].type == MemoryType::Reserved);
    CHECK(ranges[2].range == PhysicalRange{{0x21'0000}, 0x2'0000});
    CHECK(ranges[3].type == MemoryType::AcpiReclaim);
    CHECK(ranges[4].type == MemoryType::AcpiNvs);
    CHECK(ranges[5].type == MemoryType::RuntimeCode);
    CHECK(ranges[6].type == MemoryType::RuntimeData);
    CHECK(ranges[7].type == MemoryType::Unusable);
    CHECK(ranges[8].type == MemoryType::Reserved);
    CHECK(ranges[9].type == MemoryType::Mmio);
}

TEST_CASE("special-purpose memory is not usable") {
    Map map;
    map.add(7, 0x10'0000, 0x100, 0x40000 | 0xf);
    CHECK(convert(map)[0].type == MemoryType::Reserved);
    CHECK(free_of(map).empty());
}

TEST_CASE("impossible descriptors are dropped") {
    Map map;
    map.add(7, 0x10'0000, 0)
        .add(7, 0x10'0800, 1)
        .add(7, 0x10'0000, ~u64{0})
        .add(7, u64{1} << 52, 1)
        .add(7, ~u64{0xfff}, 1)
        .add(7, 0x40'0000, 1);
    REQUIRE(convert(map).size() == 1);
    REQUIRE(free_of(map).size() == 1);
    CHECK(free_of(map)[0] == PhysicalRange{{0x40'0000}, 0x1000});
}

TEST_CASE("usable memory that overlaps reserved memory is cut") {
    Map map;
    map.add(7, 0x10'0000, 0x100).add(6, 0x18'0000, 1).add(7, 0x30'0000, 0x10).add(0, 0x2f'f000, 2);
    for (const MemoryRange& range : convert(map)) {
        if (range.type != MemoryType::Usable)
            continue;
        for (const u64 address : {u64{0x18'0000}, u64{0x2f'f000}, u64{0x30'0000}})
            CHECK_FALSE((address >= range.range.start.value && address < range.range.end().value));
    }
}

TEST_CASE("a map with a bad stride or without room is an error") {
    Map map;
    map.add(7, 0x10'0000, 1).add(7, 0x20'0000, 1);
    std::vector<MemoryRange> room(1);
    CHECK_FALSE(convert_memory_map(map.view(), room).has_value());
    CHECK_FALSE(convert_memory_map({.bytes = map.bytes, .stride = 39}, room).has_value());
    CHECK_FALSE(convert_memory_map({.bytes = map.bytes, .stride = 0}, room).has_value());
    std::vector<PhysicalRange> free_room(1);
    CHECK_FALSE(free_memory(map.view(), free_room).has_value());
}

TEST_CASE("free memory begins at 1 MiB and leaves boot services' memory out") {
    Map map;
    map.add(7, 0x20'0000, 0x100).add(7, 0, 0x9f).add(7, 0xf'0000, 0x20).add(4, 0x11'0000, 0xf0).add(7, 0x30'0000, 1);
    const auto ranges = free_of(map);
    REQUIRE(ranges.size() == 2);
    CHECK(ranges[0] == PhysicalRange{{0x10'0000}, 0x1'0000});
    CHECK(ranges[1] == PhysicalRange{{0x20'0000}, 0x10'1000});
}

TEST_CASE("any map: the result is sorted, and usable memory overlaps nothing") {
    std::mt19937_64 random(4);
    for (int round = 0; round < 2000; ++round) {
        Map map;
        const auto count = random() % 12;
        for (u64 i = 0; i < count; ++i)
            map.add(static_cast<u32>(random() % 16), (random() % 64) << 12, random() % 16);
        const auto ranges = convert(map);
        for (u64 i = 0; i < ranges.size(); ++i)
            for (u64 k = i + 1; k < ranges.size(); ++k) {
                CHECK(ranges[i].range.start <= ranges[k].range.start);
                if (ranges[i].type == MemoryType::Usable || ranges[k].type == MemoryType::Usable)
                    CHECK(ranges[i].range.end() <= ranges[k].range.start);
            }
    }
}

TEST_CASE("the loader takes the top of the smallest range that will do") {
    const PhysicalRange free[] = {{{0x10'0000}, 64 * MiB}, {{0x1000'0000}, 5 * MiB}, {{0x1'0000'0000}, 3 * MiB}};
    CHECK(choose_block(free, 2 * MiB, 2 * MiB, 4 * GiB) == HostPhysical{0x1020'0000});
    CHECK(choose_block(free, 2 * MiB, 2 * MiB, 8 * GiB) == HostPhysical{0x1'0000'0000});
    CHECK(choose_block(free, 6 * MiB, 2 * MiB, 8 * GiB) == HostPhysical{0x3a0'0000});
    CHECK(choose_block(free, 4 * MiB, 2 * MiB, 0x1040'0000) == HostPhysical{0x1000'0000});
    CHECK_FALSE(choose_block(free, 65 * MiB, 4096, 8 * GiB).has_value());
    CHECK_FALSE(choose_block(free, ~u64{0}, 4096, 8 * GiB).has_value());
    CHECK_FALSE(choose_block({}, 4096, 4096, 8 * GiB).has_value());
}

TEST_CASE("a range is cut out of free memory") {
    const std::vector<PhysicalRange> free{
        {{0x10'0000}, 64 * MiB}, {{0x1000'0000}, 5 * MiB}, {{0x1'0000'0000}, 3 * MiB}};
    const auto without = [&](const PhysicalRange& range, u64 room = 8) {
        std::vector<PhysicalRange> storage = free;
        storage.resize(room);
        storage.resize(cut_out(storage, free.size(), range));
        return storage;
    };
    CHECK(without({{0x1000'0000}, 0}) == free);
    CHECK(without({{0x2000'0000}, GiB}) == free);
    CHECK(without({{0}, MiB}) == free);
    CHECK(without({{0x1010'0000}, 4 * MiB}) == std::vector<PhysicalRange>{free[0], {{0x1000'0000}, MiB}, free[2]});
    CHECK(without({{0xff0'0000}, 2 * MiB}) == std::vector<PhysicalRange>{free[0], {{0x1010'0000}, 4 * MiB}, free[2]});
    CHECK(without({{0x1000'0000}, 5 * MiB}) == std::vector<PhysicalRange>{free[0], free[2]});
    CHECK(without({{0}, 8 * GiB}).empty());
    const std::vector<PhysicalRange> split{{{0x10'0000}, MiB}, {{0x30'0000}, 62 * MiB}, free[1], free[2]};
    CHECK(without({{0x20'0000}, MiB}) == split);
    CHECK(without({{0x20'0000}, MiB}, 3) == std::vector<PhysicalRange>{{{0x10'0000}, MiB}, free[1], free[2]});
    // Over several: the end of the first to the middle of the last.
    CHECK(without({{0x20'0000}, 0x1'0010'0000 - 0x20'0000}) ==
          std::vector<PhysicalRange>{{{0x10'0000}, MiB}, {{0x1'0010'0000}, 2 * MiB}});
}

TEST_CASE("the pool is within its promise") {
    // 4 MiB and 128 KiB per CPU, besides the tables: rounded up to 2 MiB.
    CHECK(pool_size(4, 2, 2 * GiB, false) <= 4 * MiB + 4 * 128 * KiB + 2 * MiB + 64 * KiB + 2 * MiB);
    CHECK(pool_size(4, 2, 2 * GiB, false) % (2 * MiB) == 0);
    // A table of 4 KiB for each 2 MiB of RAM, where each may have to be split.
    CHECK(pool_size(4, 2, 2 * GiB, true) == pool_size(4, 2, 2 * GiB, false) + 4 * MiB);
}
