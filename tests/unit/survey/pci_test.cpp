// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// Isolation groups of topologies whose groups Linux' rules give by hand, and configuration spaces that lie.
#include <map>

#include <catch2/catch_test_macros.hpp>

#include "survey/pci.hpp"
#include "unit/survey/written.hpp"

using namespace bulkhead;
using survey::PciAddress;

namespace {

enum PcieType : u8 {
    Endpoint = 0,
    RootPort = 4,
    Upstream = 5,
    Downstream = 6,
    PcieToPci = 7,
    Integrated = 9,
    Conventional = 0xff
};

/// One function's 4096 bytes.
struct Space {
    std::vector<u8> bytes = std::vector<u8>(4096);
    u32 size = 4096;

    void put(u32 at, u64 value, u32 width) {
        for (u32 i = 0; i < width; ++i)
            bytes[at + i] = static_cast<u8>(value >> (8 * i));
    }
    [[nodiscard]] u32 read(boot::pci::Function, u16 offset) const {
        u32 value = 0;
        for (u32 i = 0; i < 4; ++i)
            value |= u32{bytes[offset + i]} << (8 * i);
        return value;
    }
    [[nodiscard]] u32 readable(boot::pci::Function) const { return size; }
    [[nodiscard]] u64 bar_size(boot::pci::Function, u32 index, u64 address) const {
        return address == 0 ? 0 : u64{4096} << index;
    }
};

struct Part {
    PciAddress at;
    PcieType type = Conventional;
    u8 secondary = 0; ///< not 0: it is a bridge
    bool acs = false;
    bool multi = false;
};

Space space_of(const Part& part) {
    Space space;
    space.put(0, 0x1234'8086, 4);
    space.put(8, part.secondary != 0 ? 0x0604'0000 : 0x0200'0001, 4);
    space.put(0x0e, (part.secondary != 0 ? 1u : 0u) | (part.multi ? 0x80u : 0u), 1);
    space.put(0x19, part.secondary, 1);
    if (part.type == Conventional)
        return space;
    space.put(6, 1u << 4, 2);
    space.put(0x34, 0x40, 1);
    space.put(0x40, 0x10, 2);
    space.put(0x42, u32{part.type} << 4, 2);
    if (part.acs) {
        space.put(0x100, 0x0001'000d, 4);
        space.put(0x104, 0x1d, 2);
    }
    return space;
}

/// Groups by the functions' order.
std::vector<u32> groups_of(std::initializer_list<Part> parts) {
    auto inventory = test::new_inventory();
    for (const Part& part : parts) {
        const Space space = space_of(part);
        survey::survey_function(*inventory, part.at, survey::PciRegisters(space, {}));
    }
    survey::survey_groups(*inventory);
    CHECK_NOTHROW(test::parsed(*inventory));
    std::vector<u32> groups;
    for (const auto& function : inventory->pci)
        groups.push_back(function.group);
    return groups;
}

constexpr PciAddress at(u8 bus, u8 device, u8 function = 0) { return {0, bus, device, function}; }

} // namespace

TEST_CASE("isolation groups: by ACS on the way to the root") {
    using V = std::vector<u32>;
    // Behind a root port with ACS a device is alone, without it is with the port.
    CHECK(groups_of({{at(0, 1), RootPort, 1, true}, {at(1, 0), Endpoint}}) == V{0, 1});
    CHECK(groups_of({{at(0, 1), RootPort, 1}, {at(1, 0), Endpoint}}) == V{0, 0});
    // Functions of one device without ACS are together, each with ACS alone.
    CHECK(groups_of({{at(0, 1), RootPort, 1, true},
                     {at(1, 0), Endpoint, 0, false, true},
                     {at(1, 0, 1), Endpoint, 0, false, true}}) == V{0, 1, 1});
    CHECK(groups_of({{at(0, 1), RootPort, 1, true},
                     {at(1, 0), Endpoint, 0, true, true},
                     {at(1, 0, 1), Endpoint, 0, true, true}}) == V{0, 1, 2});
    // Devices on the root bus: each slot for itself.
    CHECK(groups_of(
              {{at(0, 0)}, {at(0, 2), Integrated}, {at(0, 0x1f), Conventional, 0, false, true}, {at(0, 0x1f, 2)}}) ==
          V{0, 1, 2, 2});
    // A switch: its downstream ports without ACS put what is behind it into one group with the switch.
    CHECK(groups_of({{at(0, 1), RootPort, 1, true},
                     {at(1, 0), Upstream, 2},
                     {at(2, 0), Downstream, 3},
                     {at(2, 1), Downstream, 4},
                     {at(3, 0), Endpoint},
                     {at(4, 0), Endpoint}}) == V{0, 1, 2, 3, 2, 3});
    CHECK(groups_of({{at(0, 1), RootPort, 1, true},
                     {at(1, 0), Upstream, 2},
                     {at(2, 0), Downstream, 3, true},
                     {at(2, 1), Downstream, 4, true},
                     {at(3, 0), Endpoint},
                     {at(4, 0), Endpoint}}) == V{0, 1, 2, 3, 4, 5});
    // A root port without ACS takes all below it, whatever the switch can.
    CHECK(groups_of({{at(0, 1), RootPort, 1},
                     {at(1, 0), Upstream, 2},
                     {at(2, 0), Downstream, 3, true},
                     {at(3, 0), Endpoint}}) == V{0, 0, 0, 0});
    // Behind a bridge to conventional PCI the devices cannot be told apart.
    CHECK(groups_of({{at(0, 1), RootPort, 1, true}, {at(1, 0), PcieToPci, 2}, {at(2, 0)}, {at(2, 1)}}) ==
          V{0, 1, 1, 1});
}

TEST_CASE("isolation groups: two segments have nothing to do with each other, bridges that lie end") {
    using V = std::vector<u32>;
    CHECK(groups_of({{{0, 0, 1, 0}, RootPort, 1}, {{1, 1, 0, 0}, Endpoint}}) == V{0, 1});
    // A bridge to its own bus, and two that name each other's.
    CHECK(groups_of({{at(1, 0), RootPort, 1}, {at(1, 1), Endpoint}}) == V{0, 1});
    CHECK(groups_of({{at(1, 0), RootPort, 2}, {at(2, 0), RootPort, 1}}).size() == 2);
}

TEST_CASE("PCI functions: BARs, capabilities and resets") {
    Space space = space_of({at(3, 0), Endpoint});
    space.put(0x10, 0xfe00'000c, 4); // 64 bits, prefetchable
    space.put(0x14, 0x0000'0040, 4);
    space.put(0x18, 0xe001, 4);
    space.put(0x41, 0x50, 1);
    space.put(0x44, 1u << 28, 4);
    space.put(0x50, 0x6001, 2); // power management that resets
    space.put(0x60, 0x0011, 2);
    space.put(0x62, 7, 2);
    auto inventory = test::new_inventory();
    survey::survey_function(*inventory, at(3, 0), survey::PciRegisters(space, {}));
    survey::survey_groups(*inventory);
    const auto& function = inventory->pci[0];
    REQUIRE(function.bars.size() == 2);
    CHECK(function.bars[0].address == 0x40'fe00'0000);
    CHECK(function.bars[0].size == 4096);
    CHECK(function.bars[1].index == 2);
    CHECK(function.bars[1].io);
    CHECK(function.bars[1].address == 0xe000);
    CHECK(function.resets.flr);
    CHECK(function.resets.pm);
    CHECK_FALSE(function.resets.bus); // nothing says what is above it
    CHECK(function.msix_vectors == 8);
    CHECK(function.problem.empty());
}

TEST_CASE("PCI functions: lists that go round, and what cannot be read, are named") {
    const auto survey_one = [](const Space& space) {
        auto inventory = test::new_inventory();
        survey::survey_function(*inventory, at(0, 3), survey::PciRegisters(space, {}));
        survey::survey_groups(*inventory);
        CHECK_NOTHROW(test::parsed(*inventory));
        return std::string(inventory->pci[0].problem.view());
    };
    Space circle = space_of({at(0, 3), Endpoint});
    circle.put(0x41, 0x40, 1);
    CHECK(survey_one(circle) == "its list of capabilities does not end");
    Space extended = space_of({at(0, 3), Endpoint});
    extended.put(0x100, 0x1000'0001, 4);
    CHECK(survey_one(extended) == "its list of extended capabilities does not end");
    Space short_one = space_of({at(0, 3), Endpoint});
    short_one.size = 64;
    CHECK(survey_one(short_one) == "its capabilities cannot be read");
    short_one.size = 256;
    CHECK(survey_one(short_one).starts_with("its extended capabilities cannot be read"));
    Space header = space_of({at(0, 3), Endpoint});
    header.put(0x0e, 5, 1);
    CHECK(survey_one(header) == "its header is of a type that is not known");
}

TEST_CASE("PCI functions: more than there is room for are counted") {
    auto inventory = test::new_inventory();
    for (u32 i = 0; i < 600; ++i) {
        const PciAddress place = at(static_cast<u8>(i / 32), static_cast<u8>(i % 32));
        const Space space = space_of({place, Conventional});
        survey::survey_function(*inventory, place, survey::PciRegisters(space, {}));
    }
    survey::survey_groups(*inventory);
    CHECK(inventory->pci.size() == 512);
    REQUIRE(inventory->unknown.size() == 1);
    CHECK(inventory->unknown[0].value == 88);
    CHECK(test::parsed(*inventory)["pci"].as_array()->size() == 512);
}
