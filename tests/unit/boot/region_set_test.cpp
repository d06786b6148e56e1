// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "boot/region_set.hpp"

#include <array>
#include <bitset>
#include <random>
#include <vector>

#include <catch2/catch_test_macros.hpp>

using namespace bulkhead;

namespace {

constexpr u64 max_address = ~u64{0};
constexpr unsigned universe = 128;
using Model = std::bitset<universe>;

PhysicalRange range(u64 start, u64 size) { return {{start}, size}; }

/// The ranges that a model's bits make.
std::vector<PhysicalRange> ranges_of(const Model& model) {
    std::vector<PhysicalRange> result;
    for (unsigned i = 0; i < universe; ++i) {
        if (!model[i])
            continue;
        if (i > 0 && model[i - 1])
            ++result.back().size;
        else
            result.push_back(range(i, 1));
    }
    return result;
}

void change(Model& model, PhysicalRange r, bool value) {
    for (u64 i = r.start.value; i < r.end().value; ++i)
        model[i] = value;
}

bool all_set(const Model& model, u64 start, u64 size) {
    for (u64 i = start; i < start + size; ++i)
        if (i >= universe || !model[i])
            return false;
    return true;
}

std::optional<HostPhysical> find_in(const Model& model, u64 size, u64 alignment, u64 from) {
    for (u64 at = align_up(from, alignment); at < universe; at += alignment)
        if (all_set(model, at, size))
            return HostPhysical{at};
    return std::nullopt;
}

std::vector<PhysicalRange> copy(std::span<const PhysicalRange> ranges) { return {ranges.begin(), ranges.end()}; }

} // namespace

TEST_CASE("RegionSet behaves as a set of addresses, and fails whole when its storage is too small") {
    std::mt19937 random(1);
    const auto below = [&random](u64 n) { return random() % n; };
    unsigned overflows = 0;
    for (unsigned round = 0; round < 300; ++round) {
        std::array<PhysicalRange, 9> storage{};
        const std::size_t capacity = 1 + below(storage.size());
        RegionSet set(std::span(storage).first(capacity));
        Model model;
        for (unsigned step = 0; step < 60; ++step) {
            const u64 start = below(universe);
            const PhysicalRange r = range(start, below(std::min<u64>(universe - start, 24) + 1));
            const bool adding = below(2) != 0;
            Model next = model;
            change(next, r, adding);
            const auto before = copy(set.ranges());
            const auto done = adding ? set.add(r) : set.subtract(r);
            if (done) {
                REQUIRE(ranges_of(next).size() <= capacity);
                model = next;
            } else {
                ++overflows;
                REQUIRE(ranges_of(next).size() > capacity);
                REQUIRE(copy(set.ranges()) == before);
            }
            REQUIRE(copy(set.ranges()) == ranges_of(model));

            REQUIRE(set.total() == model.count());
            const u64 at = below(universe), size = 1 + below(16), alignment = u64{1} << below(5);
            REQUIRE(set.contains(range(at, size)) == all_set(model, at, size));
            REQUIRE(set.find(size, alignment, {at}) == find_in(model, size, alignment, at));
        }
    }
    CHECK(overflows > 100);
}

TEST_CASE("RegionSet fails exactly when there is no room for the ranges that result") {
    std::array<PhysicalRange, 2> storage{};
    RegionSet set(storage);
    REQUIRE(set.add(range(0, 10)));
    REQUIRE(set.add(range(20, 10)));
    CHECK_FALSE(set.add(range(40, 1)));
    CHECK_FALSE(set.subtract(range(22, 2)));
    CHECK(copy(set.ranges()) == std::vector{range(0, 10), range(20, 10)});
    REQUIRE(set.add(range(10, 10))); // joins the two
    CHECK(copy(set.ranges()) == std::vector{range(0, 30)});
    REQUIRE(set.subtract(range(5, 1)));
    CHECK(set.ranges().size() == 2);

    RegionSet none({});
    CHECK_FALSE(none.add(range(0, 1)));
    CHECK(none.subtract(range(0, 1)));
    CHECK(none.total() == 0);
}

TEST_CASE("RegionSet refuses ranges that wrap, and works up to the last address it can express") {
    std::array<PhysicalRange, 4> storage{};
    RegionSet set(storage);
    CHECK_FALSE(set.add(range(max_address, 1)));
    CHECK_FALSE(set.add(range(1, max_address)));
    CHECK_FALSE(set.subtract(range(0x1000, max_address - 0xfff)));
    CHECK_FALSE(set.contains(range(max_address, 2)));
    REQUIRE(set.add(range(max_address - 0x2000, 0x2000)));
    CHECK(set.contains(range(max_address - 1, 1)));
    CHECK_FALSE(set.contains(range(max_address, 0x1000)));
    // Rounding up goes beyond the end of the address space here.
    CHECK_FALSE(set.find(1, u64{1} << 63));
    CHECK(set.find(1, 1, {max_address - 5}) == HostPhysical{max_address - 5});
    CHECK_FALSE(set.find(max_address, 1));
}
