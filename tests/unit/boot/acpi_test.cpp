// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "boot/acpi.hpp"

#include <catch2/catch_test_macros.hpp>

#include "fakes/acpi_builder.hpp"

using namespace bulkhead;
using fakes::AcpiBuilder;
using fakes::AcpiMemory;

namespace {

AcpiBuilder rsdp(u8 revision, u32 rsdt, u64 xsdt) {
    AcpiBuilder builder;
    for (char c : std::string_view("RSD PTR "))
        builder.u8s({static_cast<u8>(c)});
    builder.u8s({0, 'B', 'U', 'L', 'K', 'H', 'D', revision}).u32v(rsdt);
    builder.u32v(36).u64v(xsdt).u32v(0);
    return builder.fix_checksum(8, 20).fix_checksum(32, 36);
}

AcpiMemory machine_with_both_roots() {
    AcpiMemory memory;
    memory.add(0x1000, AcpiBuilder("XSDT").u64v(0x3000).u64v(0x4000).u64v(0xdead).table());
    memory.add(0x2000, AcpiBuilder("RSDT").u32v(0x3000).u32v(0x5000).table());
    memory.add(0x3000, AcpiBuilder("FACP").u32v(7).table());
    memory.add(0x4000, AcpiBuilder("APIC").u32v(8).table());
    memory.add(0x5000, AcpiBuilder("HPET").u32v(9).table());
    return memory;
}

} // namespace

TEST_CASE("the RSDP gives both roots") {
    const auto bytes = rsdp(2, 0x2000, 0x1'0000'1000).raw();
    const auto roots = acpi::parse_rsdp(bytes);
    REQUIRE(roots.has_value());
    CHECK(roots->xsdt.value == 0x1'0000'1000);
    CHECK(roots->rsdt.value == 0x2000);
}

TEST_CASE("an RSDP of ACPI 1.0 has no XSDT") {
    const auto bytes = rsdp(0, 0x2000, 0x1000).raw();
    const auto roots = acpi::parse_rsdp(bytes);
    REQUIRE(roots.has_value());
    CHECK(roots->xsdt.value == 0);
    CHECK(acpi::parse_rsdp(std::span(bytes).first(20))->rsdt.value == 0x2000);
}

TEST_CASE("a damaged RSDP is refused, a damaged extension leaves the RSDT") {
    auto bytes = rsdp(2, 0x2000, 0x1000).raw();
    CHECK_FALSE(acpi::parse_rsdp(std::span(bytes).first(19)).has_value());
    CHECK_FALSE(acpi::parse_rsdp({}).has_value());
    bytes[24] ^= 1;
    REQUIRE(acpi::parse_rsdp(bytes).has_value());
    CHECK(acpi::parse_rsdp(bytes)->xsdt.value == 0);
    const auto long_one = rsdp(2, 0x2000, 0x1000).put(20, 0xffff'ffff, 4).raw();
    CHECK(acpi::parse_rsdp(long_one)->xsdt.value == 0);
    bytes[16] ^= 1;
    CHECK_FALSE(acpi::parse_rsdp(bytes).has_value());
}

TEST_CASE("tables are found by the XSDT, else by the RSDT") {
    const AcpiMemory memory = machine_with_both_roots();
    const auto madt = acpi::find_table(memory, {.xsdt = {0x1000}, .rsdt = {0x2000}}, "APIC");
    REQUIRE(madt.has_value());
    CHECK(acpi::field<u32>(*madt, 36) == 8);
    // The XSDT counts alone where it is right.
    CHECK_FALSE(acpi::find_table(memory, {.xsdt = {0x1000}, .rsdt = {0x2000}}, "HPET").has_value());
    CHECK(acpi::find_table(memory, {.xsdt = {}, .rsdt = {0x2000}}, "HPET").has_value());
    CHECK(acpi::find_table(memory, {.xsdt = {0x9999}, .rsdt = {0x2000}}, "HPET").has_value());
    CHECK_FALSE(acpi::find_table(memory, {.xsdt = {}, .rsdt = {}}, "HPET").has_value());
}

TEST_CASE("a table with a wrong checksum or length is not used") {
    AcpiMemory memory = machine_with_both_roots();
    const acpi::RootTables roots{.xsdt = {0x1000}, .rsdt = {}};
    auto damaged = AcpiBuilder("APIC").u32v(8).table();
    damaged.back() ^= 0x80;
    memory.add(0x4000, damaged);
    CHECK_FALSE(acpi::find_table(memory, roots, "APIC").has_value());

    for (const u64 length : {u64{0}, u64{1}, u64{35}, u64{41}, u64{0xffff'ffff}}) {
        AcpiBuilder builder("APIC");
        memory.add(0x4000, builder.u32v(8).put(4, length, 4).fix_checksum(9, 40).raw());
        CHECK_FALSE(acpi::find_table(memory, roots, "APIC").has_value());
    }
}

TEST_CASE("a root whose size is not a multiple of its entries is read up to the last whole one") {
    AcpiMemory memory = machine_with_both_roots();
    memory.add(0x1000, AcpiBuilder("XSDT").u64v(0x3000).u32v(0x4000).table());
    CHECK(acpi::find_table(memory, {.xsdt = {0x1000}, .rsdt = {}}, "FACP").has_value());
    CHECK_FALSE(acpi::find_table(memory, {.xsdt = {0x1000}, .rsdt = {}}, "APIC").has_value());
    memory.add(0x1000, AcpiBuilder("XSDT").table());
    CHECK_FALSE(acpi::find_table(memory, {.xsdt = {0x1000}, .rsdt = {}}, "FACP").has_value());
}

TEST_CASE("fields beyond the end of a table are 0") {
    const std::vector<u8> bytes{1, 2, 3, 4, 5};
    CHECK(acpi::field<u32>(bytes, 1) == 0x05040302);
    CHECK(acpi::field<u32>(bytes, 2) == 0);
    CHECK(acpi::field<u8>(bytes, 5) == 0);
    CHECK(acpi::field<u64>(bytes, ~u64{0}) == 0);
}
