// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "mm/guest_memory_map.hpp"

#include <array>
#include <vector>

#include <catch2/catch_test_macros.hpp>

using namespace bulkhead;
using Class = GuestAddressClass;

namespace {

MemoryChunk chunk(u64 guest, u64 host, u64 size) { return {{guest}, {host}, size}; }

bool accepts(std::vector<MemoryChunk> chunks) { return GuestMemoryMap::create(chunks).has_value(); }

constexpr u64 four_gib = 4 * GiB;

} // namespace

TEST_CASE("GuestMemoryMap accepts RAM from 0 to the hole and from 4 GiB on") {
    CHECK(accepts({chunk(0, 64 * MiB, 2 * MiB)}));
    CHECK(accepts({chunk(0, 64 * MiB, 2 * MiB), chunk(2 * MiB, 2 * MiB, 30 * MiB)}));
    CHECK(accepts({chunk(0, GiB, 3 * GiB), chunk(four_gib, 8 * GiB, GiB)}));
    CHECK(accepts({chunk(0, GiB, 2 * MiB), chunk(four_gib, 8 * GiB, GiB)}));
}

TEST_CASE("GuestMemoryMap refuses chunks that no placement may make") {
    CHECK_FALSE(accepts({}));
    CHECK_FALSE(accepts({chunk(2 * MiB, 0, 2 * MiB)}));
    CHECK_FALSE(accepts({chunk(four_gib, GiB, GiB)}));
    CHECK_FALSE(accepts({chunk(0, GiB, 0)}));
    CHECK_FALSE(accepts({chunk(0, GiB, 3 * MiB)}));
    CHECK_FALSE(accepts({chunk(0, GiB + page_size, 2 * MiB)}));
    CHECK_FALSE(accepts({chunk(0, GiB, 2 * MiB), chunk(4 * MiB, 2 * GiB, 2 * MiB)}));
    CHECK_FALSE(accepts({chunk(0, GiB, 4 * MiB), chunk(2 * MiB, 2 * GiB, 2 * MiB)}));
    CHECK_FALSE(accepts({chunk(0, GiB, 3 * GiB), chunk(3 * GiB, 8 * GiB, GiB)}));
    CHECK_FALSE(accepts({chunk(0, GiB, 3 * GiB + 2 * MiB)}));
    CHECK_FALSE(accepts({chunk(0, GiB, 2 * MiB), chunk(four_gib, 2 * GiB, GiB), chunk(2 * MiB, 8 * GiB, GiB)}));
    const u64 top = ~u64{0} - 2 * MiB + 1;
    CHECK_FALSE(accepts({chunk(0, top, 2 * MiB)}));
    CHECK_FALSE(accepts({chunk(0, GiB, 2 * MiB), chunk(four_gib, 2 * MiB, ~u64{0} - 2 * MiB + 1)}));
}

TEST_CASE("GuestMemoryMap classifies addresses at every edge") {
    const std::array chunks{chunk(0, GiB, 3 * GiB), chunk(four_gib, 8 * GiB, GiB)};
    const GuestMemoryMap map = GuestMemoryMap::create(chunks).value();
    const std::array<std::pair<u64, Class>, 19> expected{{
        {0, Class::Ram},
        {0x9ffff, Class::Ram},
        {0xa0000, Class::AbsentDevice},
        {0xdffff, Class::AbsentDevice},
        {0xe0000, Class::Ram},
        {0x100000, Class::Ram},
        {0xbfffffff, Class::Ram},
        {0xc0000000, Class::NotTheGuests},
        {0xfebfffff, Class::NotTheGuests},
        {0xfec00000, Class::IoApic},
        {0xfec00fff, Class::IoApic},
        {0xfec01000, Class::AbsentDevice},
        {0xfedfffff, Class::AbsentDevice},
        {0xfee00000, Class::LocalApic},
        {0xfee00fff, Class::LocalApic},
        {0xfee01000, Class::AbsentDevice},
        {0xffffffff, Class::AbsentDevice},
        {four_gib, Class::Ram},
        {5 * GiB - 1, Class::Ram},
    }};
    for (const auto& [address, wanted] : expected) {
        CAPTURE(address);
        CHECK(map.classify({address}) == wanted);
    }
    CHECK(map.classify({5 * GiB}) == Class::NotTheGuests);
    CHECK(map.classify({~u64{0}}) == Class::NotTheGuests);
    CHECK(map.total() == 4 * GiB - 256 * KiB);
    CHECK(map.low_end() == GuestPhysical{3 * GiB});
    CHECK(map.high_end() == GuestPhysical{5 * GiB});
}

TEST_CASE("GuestMemoryMap knows where little RAM ends") {
    const std::array chunks{chunk(0, GiB, 2 * MiB)};
    const GuestMemoryMap map = GuestMemoryMap::create(chunks).value();
    CHECK(map.classify({2 * MiB - 1}) == Class::Ram);
    CHECK(map.classify({2 * MiB}) == Class::NotTheGuests);
    CHECK(map.classify({four_gib}) == Class::NotTheGuests);
    CHECK(map.high_end() == GuestPhysical{four_gib});

    const GuestMemoryMap none;
    CHECK(none.classify({0}) == Class::NotTheGuests);
    CHECK(none.classify({0xa0000}) == Class::NotTheGuests);
    CHECK(none.total() == 0);
    CHECK(none.ranges().empty());
    CHECK_FALSE(none.translate({0}));
}

TEST_CASE("GuestMemoryMap checks whole ranges, overflow included") {
    const std::array chunks{chunk(0, GiB, 2 * MiB), chunk(2 * MiB, 8 * MiB, 2 * MiB), chunk(four_gib, 8 * GiB, GiB)};
    const GuestMemoryMap map = GuestMemoryMap::create(chunks).value();
    CHECK(map.is_ram({0}, 0xa0000));
    CHECK_FALSE(map.is_ram({0}, 0xa0001));
    CHECK_FALSE(map.is_ram({0x9ffff}, 2));
    CHECK_FALSE(map.is_ram({0xdffff}, 2));
    CHECK(map.is_ram({0xe0000}, 4 * MiB - 0xe0000)); // across two chunks
    CHECK_FALSE(map.is_ram({0xe0000}, 4 * MiB - 0xe0000 + 1));
    CHECK(map.is_ram({4 * MiB - 1}, 0));
    CHECK_FALSE(map.is_ram({4 * MiB}, 0));
    CHECK(map.is_ram({four_gib}, GiB));
    CHECK_FALSE(map.is_ram({four_gib}, GiB + 1));
    CHECK_FALSE(map.is_ram({four_gib + 1}, ~u64{0}));
    CHECK_FALSE(map.is_ram({0x1000}, ~u64{0} - 0x800));
    CHECK_FALSE(map.is_ram({~u64{0}}, 1));
}

TEST_CASE("GuestMemoryMap translates to the backing frames and says how far they go") {
    const std::array chunks{chunk(0, GiB, 2 * MiB), chunk(2 * MiB, 8 * MiB, 2 * MiB), chunk(four_gib, 8 * GiB, GiB)};
    const GuestMemoryMap map = GuestMemoryMap::create(chunks).value();
    CHECK(map.translate({0}) == PhysicalRange{{GiB}, 0xa0000});
    CHECK(map.translate({0x9ffff}) == PhysicalRange{{GiB + 0x9ffff}, 1});
    CHECK_FALSE(map.translate({0xa0000}));
    CHECK(map.translate({0xe0000}) == PhysicalRange{{GiB + 0xe0000}, 2 * MiB - 0xe0000});
    CHECK(map.translate({2 * MiB}) == PhysicalRange{{8 * MiB}, 2 * MiB});
    CHECK(map.translate({4 * MiB - 1}) == PhysicalRange{{10 * MiB - 1}, 1});
    CHECK_FALSE(map.translate({4 * MiB}));
    CHECK(map.translate({four_gib + 5}) == PhysicalRange{{8 * GiB + 5}, GiB - 5});
    CHECK_FALSE(map.translate({0xfee00000}));
    CHECK_FALSE(map.translate({~u64{0}}));
}

TEST_CASE("GuestMemoryMap's ranges are those of an E820 map") {
    const std::array chunks{chunk(0, GiB, 4 * MiB), chunk(four_gib, 8 * GiB, GiB)};
    const auto ranges = GuestMemoryMap::create(chunks).value().ranges();
    REQUIRE(ranges.size() == 4);
    CHECK(ranges[0] == GuestMemoryRange{{0}, 0xa0000, true});
    CHECK(ranges[1] == GuestMemoryRange{{0xe0000}, 0x20000, false});
    CHECK(ranges[2] == GuestMemoryRange{{0x100000}, 3 * MiB, true});
    CHECK(ranges[3] == GuestMemoryRange{{four_gib}, GiB, true});
    u64 bytes = 0;
    for (const auto& range : ranges)
        bytes += range.size;
    CHECK(bytes == GuestMemoryMap::create(chunks).value().total());
}
