// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "drivers/io_apic.hpp"

#include <array>

#include <catch2/catch_test_macros.hpp>

#include "fakes/apic.hpp"

using namespace bulkhead;
using drivers::IoApicPin;
using drivers::IsaInterrupt;

TEST_CASE("ISA interrupts are where the MADT's overrides say") {
    const std::array<InterruptOverride, 2> overrides{{
        {.isa_irq = 0, .gsi = 2, .active_low = 0, .level = 0},
        {.isa_irq = 9, .gsi = 9, .active_low = 1, .level = 1},
    }};
    CHECK(drivers::find_isa_interrupt(0, overrides) == IsaInterrupt{2, false, false});
    CHECK(drivers::find_isa_interrupt(9, overrides) == IsaInterrupt{9, true, true});
    CHECK(drivers::find_isa_interrupt(4, overrides) == IsaInterrupt{4, false, false});
}

TEST_CASE("A GSI belongs to the I/O APIC with the highest base not above it") {
    const std::array<IoApicInfo, 3> io_apics{{
        {.address = {0xfec01000}, .id = 1, .gsi_base = 24},
        {.address = {0xfec00000}, .id = 0, .gsi_base = 0},
        {.address = {0xfec02000}, .id = 2, .gsi_base = 56},
    }};
    CHECK(drivers::find_io_apic_pin(4, io_apics) == IoApicPin{1, 4});
    CHECK(drivers::find_io_apic_pin(23, io_apics) == IoApicPin{1, 23});
    CHECK(drivers::find_io_apic_pin(24, io_apics) == IoApicPin{0, 0});
    CHECK(drivers::find_io_apic_pin(~0u, io_apics) == IoApicPin{2, ~0u - 56});
    CHECK_FALSE(drivers::find_io_apic_pin(4, {}));
    CHECK_FALSE(drivers::find_io_apic_pin(4, std::span(io_apics).first(1)));
}

TEST_CASE("IoApic routes a pin as an NMI, destination before it is unmasked") {
    fakes::IoApicRegisters registers(24);
    drivers::IoApic io_apic(registers);
    CHECK(io_apic.pins() == 24);
    REQUIRE(io_apic.route_nmi(4, 0x2a, false));
    CHECK(registers.entries[8] == 0x400);
    CHECK(registers.entries[9] == 0x2a000000);
    CHECK(registers.history == std::vector<u32>{0x18, 0x19, 0x18});
    REQUIRE(io_apic.route_nmi(23, 254, true));
    CHECK(registers.entries[46] == 0x2400);
    REQUIRE(io_apic.mask(23));
    CHECK(registers.entries[46] == 0x10000);
}

TEST_CASE("IoApic refuses pins and CPUs that it does not reach") {
    fakes::IoApicRegisters registers(24);
    drivers::IoApic io_apic(registers);
    CHECK_FALSE(io_apic.route_nmi(24, 0, false));
    CHECK_FALSE(io_apic.route_nmi(~0u, 0, false));
    CHECK_FALSE(io_apic.route_nmi(4, 255, false));
    CHECK_FALSE(io_apic.route_nmi(4, 0x100, false));
    CHECK_FALSE(io_apic.mask(24));
    CHECK(registers.history.empty());
}

TEST_CASE("IoApic masks any pin, up to the 120 that its index can name") {
    fakes::IoApicRegisters registers(120);
    registers.entries.assign(240, 0);
    drivers::IoApic io_apic(registers);
    for (u32 pin = 0; pin < 120; ++pin)
        REQUIRE(io_apic.mask(pin));
    for (u32 pin = 0; pin < 120; ++pin)
        REQUIRE(registers.entries[2 * pin] == 0x10000);
    struct Absent {
        u32 read(u32) { return ~0u; }
        void write(u32, u32) {}
    } absent;
    CHECK(drivers::IoApic(absent).pins() == 120);
}
