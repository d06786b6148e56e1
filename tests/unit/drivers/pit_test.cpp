// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "drivers/pit.hpp"

#include <utility>
#include <vector>

#include <catch2/catch_test_macros.hpp>

using namespace bulkhead;

namespace {

/// Counter 0 of the 8254.
struct Ports {
    std::vector<std::pair<u16, u8>> written;
    u8 status = 0;
    bool there = true;

    u8 in8(u16 port) const {
        return there && port == 0x40 && written.back() == std::pair{u16{0x43}, u8{0xe2}} ? status : 0xff;
    }
    u32 in32(u16) const { return ~0u; }
    void out8(u16 port, u8 value) {
        written.emplace_back(port, value);
        if (port == 0x43 && (value & 0xc0) == 0)
            status = 0x40 | (value & 0x3f); // output low, no count
    }
};
static_assert(PortAccess<Ports>);

using Writes = std::vector<std::pair<u16, u8>>;

} // namespace

TEST_CASE("Pit stops counter 0 when it starts") {
    Ports ports;
    ports.status = 0xb4; // the firmware's tick: mode 2
    CHECK(drivers::Pit(ports).start());
    CHECK(ports.written.front() == std::pair{u16{0x43}, u8{0x30}});
    ports.there = false;
    CHECK_FALSE(drivers::Pit(ports).start());
}

TEST_CASE("Pit counts once in mode 0, as far as 16 bits go") {
    Ports ports;
    drivers::Pit pit(ports);
    pit.arm(0x1234);
    CHECK(ports.written == Writes{{0x43, 0x30}, {0x40, 0x34}, {0x40, 0x12}});
    ports.written.clear();
    pit.arm(1'000'000);
    CHECK(ports.written == Writes{{0x43, 0x30}, {0x40, 0xff}, {0x40, 0xff}});
    ports.written.clear();
    pit.arm(0);
    CHECK(ports.written == Writes{{0x43, 0x30}, {0x40, 2}, {0x40, 0}});
    CHECK_FALSE(pit.has_rung());
    ports.status = 0xb0;
    CHECK(pit.has_rung());
    pit.stop();
    CHECK_FALSE(pit.has_rung());
}
