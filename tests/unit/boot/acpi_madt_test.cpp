// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "boot/acpi_madt.hpp"

#include <array>
#include <random>

#include <catch2/catch_test_macros.hpp>

#include "fakes/acpi_builder.hpp"

using namespace bulkhead;
using fakes::AcpiBuilder;

namespace {

/// Room as a loader provides it: what count_madt() says.
struct Parsed {
    explicit Parsed(const std::vector<u8>& table) {
        const acpi::MadtCounts counts = acpi::count_madt(table);
        cpus.resize(counts.cpus);
        io_apics.resize(counts.io_apics);
        overrides.resize(counts.overrides);
        madt = acpi::parse_madt(table, {cpus, io_apics, overrides});
    }
    std::vector<CpuInfo> cpus;
    std::vector<IoApicInfo> io_apics;
    std::vector<InterruptOverride> overrides;
    acpi::Madt madt;
};

AcpiBuilder madt(u32 flags = 1) { return AcpiBuilder("APIC").u32v(0xfee0'0000).u32v(flags); }
void local_apic(AcpiBuilder& builder, u8 uid, u8 id, u32 flags) { builder.u8s({0, 8, uid, id}).u32v(flags); }
void x2apic(AcpiBuilder& builder, u32 uid, u32 id, u32 flags) {
    builder.u8s({9, 16, 0, 0}).u32v(id).u32v(flags).u32v(uid);
}

} // namespace

TEST_CASE("MADT: enabled processors of both types, each once") {
    AcpiBuilder builder = madt();
    local_apic(builder, 1, 0, 1);
    local_apic(builder, 2, 2, 1);
    local_apic(builder, 3, 4, 0);    // not there
    local_apic(builder, 4, 6, 2);    // can come later: not now
    local_apic(builder, 5, 2, 1);    // again
    local_apic(builder, 6, 0xff, 1); // placeholder
    x2apic(builder, 7, 2, 1);        // again, by the other type
    x2apic(builder, 8, 300, 1);
    x2apic(builder, 9, ~0u, 1);
    const Parsed parsed(builder.table());
    REQUIRE(parsed.madt.cpus.size() == 3);
    CHECK(parsed.madt.cpus[0].apic_id == 0);
    CHECK(parsed.madt.cpus[1].apic_id == 2);
    CHECK(parsed.madt.cpus[1].acpi_uid == 2);
    CHECK(parsed.madt.cpus[2].apic_id == 300);
    CHECK(parsed.madt.cpus[2].acpi_uid == 8);
    CHECK_FALSE(parsed.madt.damaged);
    CHECK(parsed.madt.has_8259);
    CHECK(parsed.madt.local_apic.value == 0xfee0'0000);
}

TEST_CASE("MADT: I/O APICs, overrides and the local APIC's address") {
    AcpiBuilder builder = madt(0);
    builder.u8s({1, 12, 8, 0}).u32v(0xfec0'0000).u32v(0);
    builder.u8s({1, 12, 9, 0}).u32v(0xfec8'0000).u32v(24);
    builder.u8s({2, 10, 0, 0}).u32v(2).u16v(0);
    builder.u8s({2, 10, 0, 9}).u32v(9).u16v(0x000d);
    builder.u8s({2, 10, 0, 4}).u32v(20).u16v(0x000f);
    builder.u8s({5, 12, 0, 0}).u64v(0x1'fee0'0000);
    builder.u8s({4, 6, 0xff, 0, 0, 1}); // NMI: not read
    const Parsed parsed(builder.table());
    REQUIRE(parsed.madt.io_apics.size() == 2);
    CHECK(parsed.madt.io_apics[1].address.value == 0xfec8'0000);
    CHECK(parsed.madt.io_apics[1].id == 9);
    CHECK(parsed.madt.io_apics[1].gsi_base == 24);
    REQUIRE(parsed.madt.overrides.size() == 3);
    CHECK(parsed.madt.overrides[0].gsi == 2);
    CHECK(parsed.madt.overrides[0].level == 0);
    CHECK(parsed.madt.overrides[1].isa_irq == 9);
    CHECK(parsed.madt.overrides[1].level == 1);
    CHECK(parsed.madt.overrides[1].active_low == 0);
    CHECK(parsed.madt.overrides[2].active_low == 1);
    CHECK(parsed.madt.local_apic.value == 0x1'fee0'0000);
    CHECK_FALSE(parsed.madt.has_8259);
}

TEST_CASE("MADT: damaged entries are left out and reported") {
    for (const u8 length : {u8{0}, u8{1}, u8{200}}) {
        AcpiBuilder builder = madt();
        local_apic(builder, 1, 0, 1);
        builder.u8s({0, length, 2, 2}).u32v(1);
        local_apic(builder, 3, 4, 1);
        const Parsed parsed(builder.table());
        CHECK(parsed.madt.damaged);
        CHECK(parsed.madt.cpus.size() == 1);
    }
    AcpiBuilder builder = madt();
    builder.u8s({9, 8, 0, 0}).u32v(7); // too short for its type
    local_apic(builder, 1, 5, 1);
    const Parsed parsed(builder.table());
    CHECK(parsed.madt.damaged);
    REQUIRE(parsed.madt.cpus.size() == 1);
    CHECK(parsed.madt.cpus[0].apic_id == 5);
    CHECK(Parsed(AcpiBuilder("APIC").table()).madt.cpus.empty());
}

TEST_CASE("MADT: what has no room is damage, not an overrun") {
    AcpiBuilder builder = madt();
    for (u8 i = 0; i < 10; ++i)
        local_apic(builder, i, i, 1);
    const auto table = builder.table();
    std::array<CpuInfo, 4> room{};
    const acpi::Madt parsed = acpi::parse_madt(table, {room, {}, {}});
    CHECK(parsed.cpus.size() == 4);
    CHECK(parsed.damaged);
}

TEST_CASE("MADT: thousands of processors") {
    AcpiBuilder builder = madt();
    for (u32 i = 0; i < 3000; ++i)
        x2apic(builder, i, i, 1);
    CHECK(Parsed(builder.table()).madt.cpus.size() == 3000);
}

TEST_CASE("MADT: any bytes at all") {
    std::mt19937 random(1);
    for (int round = 0; round < 3000; ++round) {
        AcpiBuilder builder = madt();
        const auto size = random() % 120;
        for (u32 i = 0; i < size; ++i)
            builder.u8s({static_cast<u8>(random() % (i % 2 == 0 ? 12 : 256))});
        const Parsed parsed(builder.table());
        CHECK(parsed.madt.cpus.size() <= parsed.cpus.size());
    }
}

TEST_CASE("the processor that runs comes first, the others keep their order") {
    std::array<CpuInfo, 4> cpus{{{.apic_id = 4}, {.apic_id = 0}, {.apic_id = 6}, {.apic_id = 2}}};
    REQUIRE(acpi::put_first(cpus, 6));
    CHECK(cpus[0].apic_id == 6);
    CHECK(cpus[1].apic_id == 4);
    CHECK(cpus[2].apic_id == 0);
    CHECK(cpus[3].apic_id == 2);
    CHECK_FALSE(acpi::put_first(cpus, 1));
    CHECK_FALSE(acpi::put_first({}, 1));
}
