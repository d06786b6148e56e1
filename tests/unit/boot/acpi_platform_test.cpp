// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "boot/acpi_platform.hpp"

#include <array>
#include <random>

#include <catch2/catch_test_macros.hpp>

#include "fakes/acpi_builder.hpp"

using namespace bulkhead;
using fakes::AcpiBuilder;

namespace {

AcpiBuilder fadt(std::size_t size) { return AcpiBuilder("FACP").pad_to(size); }

} // namespace

TEST_CASE("FADT: the PM timer by the old field and by the new one") {
    AcpiBuilder old_one = fadt(116);
    old_one.put(76, 0x608, 4).put(112, 1u << 8, 4);
    CHECK(acpi::parse_fadt(old_one.table()).port == 0x608);
    CHECK(acpi::parse_fadt(old_one.table()).has_32_bits);

    AcpiBuilder both = fadt(276);
    both.put(76, 0x608, 4).put(208, 1, 1).put(212, 0x808, 8);
    CHECK(acpi::parse_fadt(both.table()).port == 0x808);
    CHECK_FALSE(acpi::parse_fadt(both.table()).has_32_bits);

    both.put(208, 0, 1); // in memory: not what we read
    CHECK(acpi::parse_fadt(both.table()).port == 0x608);
    both.put(208, 1, 1).put(212, 0x1'0000'0808, 8);
    CHECK(acpi::parse_fadt(both.table()).port == 0x608);
    both.put(76, 0xffff, 4);
    CHECK(acpi::parse_fadt(both.table()).port == 0);
    CHECK(acpi::parse_fadt(AcpiBuilder("FACP").table()).port == 0);
}

TEST_CASE("FADT: the reset register is an I/O port, and memory outlives it") {
    constexpr u64 flags = 112;
    constexpr u64 space = 116;
    constexpr u64 address = 120;
    constexpr u64 value = 128;
    AcpiBuilder table = fadt(276);
    table.put(flags, 1u << 10, 4).put(space, 1, 1).put(address, 0x604, 8).put(value, 0x0f, 1);
    CHECK(acpi::parse_reset_register(table.table()).port == 0x604);
    CHECK(acpi::parse_reset_register(table.table()).value == 0x0f);
    table.put(address, 0xcf9, 8); // there it is FULL_RST, RST_CPU, SYS_RST
    CHECK(acpi::parse_reset_register(table.table()).port == 0xcf9);
    CHECK(acpi::parse_reset_register(table.table()).value == 0x07);

    table.put(address, 0x1'0000'0cf9, 8);
    CHECK(acpi::parse_reset_register(table.table()).port == 0);
    table.put(address, 0xcf9, 8).put(space, 0, 1); // in memory
    CHECK(acpi::parse_reset_register(table.table()).port == 0);
    table.put(space, 1, 1).put(flags, 0, 4); // not there
    CHECK(acpi::parse_reset_register(table.table()).port == 0);
    CHECK(acpi::parse_reset_register(fadt(116).put(flags, 1u << 10, 4).table()).port == 0);
}

TEST_CASE("HPET: registers in memory only") {
    AcpiBuilder builder("HPET");
    builder.u32v(0x8086'a201).u8s({0, 64, 0, 0}).u64v(0xfed0'0000).u8s({0}).u16v(128).u8s({0});
    CHECK(acpi::parse_hpet(builder.table()).value == 0xfed0'0000);
    CHECK(acpi::parse_hpet(builder.put(40, 1, 1).table()).value == 0);
    CHECK(acpi::parse_hpet(AcpiBuilder("HPET").table()).value == 0);
}

TEST_CASE("MCFG: sensible ranges, whole entries, no more than there is room for") {
    AcpiBuilder builder("MCFG");
    builder.u64v(0);
    builder.u64v(0xb000'0000).u16v(0).u8s({0, 255}).u32v(0);
    builder.u64v(0).u16v(1).u8s({0, 255}).u32v(0);         // no address
    builder.u64v(0xc000'0000).u16v(2).u8s({9, 8}).u32v(0); // backwards
    builder.u64v(0x1'0000'0000).u16v(3).u8s({16, 31}).u32v(0);
    builder.u64v(0xd000'0000); // half an entry
    const auto table = builder.table();
    CHECK(acpi::count_mcfg(table) == 4);
    std::array<EcamInfo, 8> room{};
    const auto ranges = acpi::parse_mcfg(table, room);
    REQUIRE(ranges.size() == 2);
    CHECK(ranges[0].address.value == 0xb000'0000);
    CHECK(ranges[0].end_bus == 255);
    CHECK(ranges[1].segment == 3);
    CHECK(ranges[1].start_bus == 16);
    CHECK(acpi::parse_mcfg(table, std::span(room).first(1)).size() == 1);
    CHECK(acpi::count_mcfg(AcpiBuilder("MCFG").table()) == 0);
    CHECK(acpi::parse_mcfg(AcpiBuilder("MCFG").table(), room).empty());
}

TEST_CASE("DMAR: register bases, each once") {
    AcpiBuilder builder("DMAR");
    builder.u8s({38, 1}).pad_to(48);
    builder.u16v(0).u16v(24).u8s({0, 0, 0, 0}).u64v(0xfed9'0000).u64v(0x1234); // with a device scope
    builder.u16v(1).u16v(24).u64v(1).u64v(2).u32v(3);                          // RMRR
    builder.u16v(0).u16v(16).u8s({1, 0, 0, 0}).u64v(0xfed9'1000);
    builder.u16v(0).u16v(16).u8s({1, 0, 0, 0}).u64v(0xfed9'1000);
    builder.u16v(0).u16v(8).u32v(0); // too short: no address
    std::array<HostPhysical, 8> room{};
    const auto bases = acpi::parse_dmar(builder.table(), room);
    REQUIRE(bases.size() == 2);
    CHECK(bases[0].value == 0xfed9'0000);
    CHECK(bases[1].value == 0xfed9'1000);
    CHECK(acpi::parse_dmar(builder.table(), std::span(room).first(1)).size() == 1);
    builder.u16v(0).u16v(0).u32v(0);
    CHECK(acpi::parse_dmar(builder.table(), room).size() == 2); // a length of 0 ends it
}

TEST_CASE("IVRS: an IOMMU that three generations of blocks describe is one") {
    AcpiBuilder builder("IVRS");
    builder.u32v(0x203).pad_to(48);
    for (const u8 type : {u8{0x10}, u8{0x11}, u8{0x40}})
        builder.u8s({type, 0}).u16v(24).u16v(2).u16v(0x40).u64v(0xfeb8'0000).u64v(0);
    builder.u8s({0x20, 0}).u16v(32).pad_to(48 + 3 * 24 + 32); // IVMD
    builder.u8s({0x10, 0}).u16v(24).u16v(2).u16v(0x40).u64v(0xfeb0'0000).u64v(0);
    std::array<HostPhysical, 8> room{};
    const auto bases = acpi::parse_ivrs(builder.table(), room);
    REQUIRE(bases.size() == 2);
    CHECK(bases[0].value == 0xfeb8'0000);
    CHECK(bases[1].value == 0xfeb0'0000);
}

TEST_CASE("platform tables: any bytes at all") {
    std::mt19937 random(2);
    std::array<HostPhysical, 4> bases{};
    std::array<EcamInfo, 4> ranges{};
    for (int round = 0; round < 3000; ++round) {
        AcpiBuilder builder("ANYT");
        const auto size = random() % 160;
        for (u32 i = 0; i < size; ++i)
            builder.u8s({static_cast<u8>(random() % 4 == 0 ? random() : random() % 24)});
        const auto table = builder.table();
        CHECK(acpi::parse_dmar(table, bases).size() <= bases.size());
        CHECK(acpi::parse_ivrs(table, bases).size() <= bases.size());
        CHECK(acpi::parse_mcfg(table, ranges).size() <= ranges.size());
        CHECK(acpi::parse_fadt(table).port <= 0xfffc);
        (void)acpi::parse_hpet(table);
    }
}
