// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "drivers/hpet.hpp"

#include <functional>
#include <map>

#include <catch2/catch_test_macros.hpp>

using namespace bulkhead;

namespace {

/// Three comparators, of which the second reaches GSI 2 and 8, and the others PCI's. Its counter goes on by accesses.
class Registers {
public:
    std::map<u32, u32> values{{0x00, 0x8086'a201}, {0x04, 10'000'000}, {0x10, 2},          {0x100, 0},
                              {0x104, 0xff'0000},  {0x108, ~0u},       {0x120, 0x8034},    {0x124, 0x104},
                              {0x128, ~0u},        {0x140, 0},         {0x144, 0x20'0000}, {0x148, ~0u}};
    u32 counter = 0xffff'ff00; // soon goes round
    u32 step = 1;              // by each access
    std::function<void()> after_comparator = [] {};

    u32 read(u32 offset) {
        pass();
        return offset == 0xf0 ? counter : values.at(offset);
    }
    void write(u32 offset, u32 value) {
        pass();
        values.at(offset) = value;
        if ((offset & 0x1f) == 8)
            after_comparator();
    }

private:
    void pass() {
        if ((values.at(0x10) & 1) != 0)
            counter += step;
    }
};
static_assert(MmioAccess<Registers>);

constexpr u32 one_shot = 0x104; // interrupts enabled, 32 bits, edge

} // namespace

TEST_CASE("Hpet takes the comparator with the lowest pin that is free") {
    Registers registers;
    SECTION("any") {
        drivers::Hpet hpet(registers);
        CHECK(hpet.start(~0u) == 2u);
        CHECK(hpet.hz() == 100'000'000);
        CHECK(registers.values[0x10] == 1); // counts, and leaves the 8259's pins alone
        hpet.arm(1000);
        CHECK(registers.values[0x120] == (0x8030 | 2 << 9 | one_shot)); // what is read-only stays
        hpet.stop();
        CHECK((registers.values[0x120] & 4) == 0);
        CHECK((registers.values[0x100] | registers.values[0x140]) == 0);
    }
    SECTION("without 2") { CHECK(drivers::Hpet(registers).start(~4u) == 8u); }
    SECTION("of PCI's") { CHECK(drivers::Hpet(registers).start(~0x104u) == 16u); }
    SECTION("only one comparator has it") {
        drivers::Hpet hpet(registers);
        CHECK(hpet.start(1u << 21) == 21u);
    }
}

TEST_CASE("Hpet refuses what is none") {
    Registers registers;
    drivers::Hpet hpet(registers);
    SECTION("no pin") { CHECK_FALSE(hpet.start(0x8)); }
    SECTION("no period") {
        registers.values[0x04] = 0;
        CHECK_FALSE(hpet.start(~0u));
    }
    SECTION("nothing there") {
        for (auto& [offset, value] : registers.values)
            value = ~0u;
        CHECK_FALSE(hpet.start(~0u));
    }
    SECTION("a counter that stands still") {
        registers.step = 0;
        CHECK_FALSE(hpet.start(~0u));
    }
}

TEST_CASE("Hpet rings when the counter has come to the comparator, around its end too") {
    Registers registers;
    drivers::Hpet hpet(registers);
    REQUIRE(hpet.start(~0u));
    for (const u64 ticks : {u64{1000}, u64{100'000}, u64{0x7fff'ffff}}) {
        hpet.arm(ticks);
        const u32 left = registers.values[0x128] - registers.counter;
        CHECK(left <= ticks);
        CHECK(left + 20 > ticks);
        CHECK_FALSE(hpet.has_rung());
        registers.counter = registers.values[0x128] - 2;
        CHECK_FALSE(hpet.has_rung());
        CHECK(hpet.has_rung());
    }
    hpet.arm(~u64{0});
    CHECK(registers.values[0x128] - registers.counter <= 0x7fff'ffff);
    hpet.arm(0);
    CHECK(registers.values[0x128] - registers.counter > 100);
    CHECK_FALSE(hpet.has_rung());
}

TEST_CASE("Hpet sets a comparator again that the counter has passed before it was armed") {
    Registers registers;
    drivers::Hpet hpet(registers);
    REQUIRE(hpet.start(~0u));
    unsigned disturbed = 0;
    SECTION("twice") {
        registers.after_comparator = [&] {
            if (disturbed < 2) {
                ++disturbed;
                registers.counter += 700; // an SMI
            }
        };
        hpet.arm(600);
        CHECK(disturbed == 2);
        CHECK_FALSE(hpet.has_rung());
        CHECK((registers.values[0x120] & one_shot) == one_shot);
        CHECK(registers.values[0x128] - registers.counter < 2400);
    }
    SECTION("it does not wait for ever") {
        registers.step = 0x4000'0000;
        hpet.arm(600);
    }
}
