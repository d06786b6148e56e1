// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// The tables that the tests' machines of Bochs get, read by the product's own parsers.
#include "firmware/machine_tables.hpp"

#include <array>
#include <catch2/catch_test_macros.hpp>
#include <cstring>
#include <numeric>
#include <vector>

#include "boot/acpi_madt.hpp"
#include "boot/acpi_platform.hpp"

namespace bulkhead::firmware {
namespace {

constexpr u64 base = 0x1f00'0000;

/// The tables as physical memory from `base` on.
struct TableMemory {
    MachineTables tables;

    [[nodiscard]] acpi::Bytes bytes(HostPhysical address, u64 size) const {
        if (address.value < base || address.value - base > sizeof tables ||
            size > sizeof tables - (address.value - base))
            return {};
        return {reinterpret_cast<const u8*>(&tables) + (address.value - base), size};
    }
    [[nodiscard]] acpi::RootTables roots() const {
        const auto result = acpi::parse_rsdp({reinterpret_cast<const u8*>(&tables.rsdp), sizeof tables.rsdp});
        REQUIRE(result);
        return *result;
    }
    [[nodiscard]] acpi::Bytes table(std::string_view signature) const {
        const auto result = acpi::find_table(*this, roots(), signature);
        REQUIRE(result);
        return *result;
    }
};

TableMemory build(std::span<const u8> apic_ids) {
    TableMemory memory;
    build_tables(memory.tables, base, {.pm_base = 0xb000, .apic_ids = apic_ids});
    return memory;
}

std::vector<u8> numbers(u64 count) {
    std::vector<u8> result(count);
    std::iota(result.begin(), result.end(), u8{0});
    return result;
}

} // namespace

TEST_CASE("the MADT lists every processor and the I/O APIC") {
    std::array<CpuInfo, 128> cpus;
    std::array<IoApicInfo, 2> io_apics;
    std::array<InterruptOverride, 4> overrides;
    for (const u64 count : {u64{1}, u64{2}, u64{7}, max_processors, max_processors + 1}) {
        const TableMemory memory = build(numbers(count));
        const acpi::Madt madt = acpi::parse_madt(memory.table("APIC"), {cpus, io_apics, overrides});
        const u64 listed = std::min(count, max_processors);
        CHECK_FALSE(madt.damaged);
        CHECK(madt.has_8259);
        CHECK(madt.local_apic == HostPhysical{0xfee0'0000});
        REQUIRE(madt.cpus.size() == listed);
        for (u64 i = 0; i < listed; ++i)
            CHECK(madt.cpus[i].apic_id == i);
        REQUIRE(madt.io_apics.size() == 1);
        CHECK(madt.io_apics[0].address == HostPhysical{0xfec0'0000});
        REQUIRE(madt.overrides.size() == 2);
        CHECK(madt.overrides[0].isa_irq == 0);
        CHECK(madt.overrides[0].gsi == 2);
    }
}

TEST_CASE("the FADT says where the PIIX4 has its timer, and has no 32-bit one") {
    const TableMemory memory = build(numbers(2));
    const acpi::PmTimer timer = acpi::parse_fadt(memory.table("FACP"));
    CHECK(timer.port == 0xb008);
    CHECK_FALSE(timer.has_32_bits);
    CHECK(memory.tables.fadt.pm1a_control_block == 0xb004);
    CHECK(memory.tables.fadt.smi_command == 0);
    CHECK(memory.tables.fadt.reset_register.address == 0xcf9);
}

TEST_CASE("what the FADT points to is there") {
    const TableMemory memory = build(numbers(2));
    const Fadt& fadt = memory.tables.fadt;
    const auto dsdt = acpi::read_table(memory, {fadt.x_dsdt}, "DSDT");
    REQUIRE(dsdt);
    CHECK(fadt.dsdt == fadt.x_dsdt);
    CHECK(fadt.firmware_control % 64 == 0);
    const acpi::Bytes facs = memory.bytes({fadt.firmware_control}, sizeof(Facs));
    REQUIRE(facs.size() == sizeof(Facs));
    CHECK(std::string_view(reinterpret_cast<const char*>(facs.data()), 4) == "FACS");
}

TEST_CASE("the tables leave nothing to what was in memory before") {
    TableMemory memory;
    std::memset(&memory.tables, 0xa5, sizeof memory.tables);
    build_tables(memory.tables, base, {.pm_base = 0xb000, .apic_ids = numbers(2)});
    CHECK(memory.tables.facs.flags == 0);
    CHECK(memory.tables.fadt.x_gpe0_block.address == 0);
}

} // namespace bulkhead::firmware
