// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include <catch2/catch_test_macros.hpp>

#include "fakes/acpi_builder.hpp"
#include "survey/acpi.hpp"
#include "survey/serial.hpp"
#include "unit/survey/written.hpp"

using namespace bulkhead;
using fakes::AcpiBuilder;
using test::has_note;

namespace {

std::unique_ptr<survey::Inventory> inventory_of(const std::vector<std::vector<u8>>& tables, u32 first_cpu = 0) {
    auto inventory = test::new_inventory();
    const std::vector<acpi::Bytes> views(tables.begin(), tables.end());
    survey::survey_acpi(*inventory, views, first_cpu);
    return inventory;
}

AcpiBuilder madt(u32 cpus) {
    AcpiBuilder table("APIC");
    table.u32v(0xfee0'0000).u32v(1);
    for (u32 id = 0; id < cpus; ++id)
        table.u8s({9, 16, 0, 0}).u32v(id).u32v(1).u32v(id);
    return table;
}

/// A 16550 that keeps its scratch register, or a bus that keeps the last value written.
struct FakePorts {
    u16 base = 0;
    bool floating = false;
    u8 scratch = 0x12;
    u8 last = 0xff;
    u8 in8(u16 port) {
        if (floating)
            return last;
        return port == base + 7 ? scratch : port == base + 1 ? u8{1} : u8{0xff};
    }
    u32 in32(u16) { return ~0u; }
    void out8(u16 port, u8 value) {
        last = value;
        if (port == base + 7)
            scratch = value;
    }
};

} // namespace

TEST_CASE("inventory: the processor that runs is the first") {
    const auto inventory = inventory_of({madt(4).table()}, 2);
    REQUIRE(inventory->cpus.size() == 4);
    CHECK(inventory->cpus[0].apic_id == 2);
    CHECK(inventory->unknown.empty());
    CHECK(has_note(*inventory_of({madt(4).table()}, 9), "ACPI APIC", "does not list the processor that runs"));
}

TEST_CASE("inventory: more processors than there is room for are counted") {
    const auto inventory = inventory_of({madt(max_cpus + 3).table()});
    CHECK(inventory->cpus.size() == max_cpus);
    CHECK(has_note(*inventory, "ACPI APIC", "more than there is room for"));
    auto list = test::new_inventory();
    for (u32 i = 0; i < 40; ++i)
        list->add(list->iommus, {.base = {i + 1}}, "IOMMUs");
    CHECK(list->iommus.size() == 32);
    REQUIRE(list->unknown.size() == 1);
    CHECK(list->unknown[0].value == 8);
}

TEST_CASE("inventory: IOMMUs and the memory that firmware goes on using") {
    AcpiBuilder dmar("DMAR");
    dmar.pad_to(48);
    dmar.u16v(0).u16v(16 + 8).u8s({1, 0}).u16v(3).u64v(0xfed9'0000).u8s({1, 8, 0, 0, 0, 0, 2, 0});
    dmar.u16v(1).u16v(24).u16v(0).u16v(0).u64v(0x8000'0000).u64v(0x800f'ffff);
    dmar.u16v(99).u16v(4);
    AcpiBuilder ivrs("IVRS");
    ivrs.pad_to(48);
    ivrs.u8s({0x10, 0}).u16v(24).u16v(0x02).u16v(0x40).u64v(0xfeb8'0000).u16v(0).u16v(0).u32v(0);
    ivrs.u8s({0x20, 0}).u16v(32).u16v(0).u16v(0).u64v(0).u64v(0x7000'0000).u64v(0);
    const auto inventory = inventory_of({dmar.table(), ivrs.table()});
    REQUIRE(inventory->iommus.size() == 2);
    CHECK(inventory->iommus[0].base.value == 0xfed9'0000);
    CHECK(inventory->iommus[0].segment == 3);
    CHECK(inventory->iommus[0].all_devices);
    CHECK(inventory->iommus[0].scopes == 1);
    CHECK(inventory->iommus[1].amd);
    CHECK(inventory->iommus[1].at.device == 0);
    CHECK(inventory->iommus[1].at.function == 2);
    REQUIRE(inventory->dma_reserves.size() == 1);
    CHECK(inventory->dma_reserves[0].range == PhysicalRange{{0x8000'0000}, 0x10'0000});
    CHECK(has_note(*inventory, "ACPI DMAR", "type that is not known"));
    CHECK(has_note(*inventory, "ACPI IVRS", "is empty"));
}

TEST_CASE("inventory: serial ports of ACPI's tables are listed once") {
    AcpiBuilder spcr("SPCR");
    spcr.u8s({0, 0, 0, 0}).u8s({1, 8, 0, 1}).u64v(0x3f8).pad_to(80);
    AcpiBuilder dbg2("DBG2");
    dbg2.u32v(44).u32v(1);
    dbg2.u8s({0}).u16v(22 + 12 + 4 + 2).u8s({1}).u16v(2).u16v(38).u16v(0).u16v(0).u16v(0x8000).u16v(0).u16v(0);
    dbg2.u16v(22).u16v(34).u8s({1, 8, 0, 1}).u64v(0x3f8).u32v(8).u8s({'.', 0});
    auto inventory = inventory_of({spcr.table(), dbg2.table()});
    CHECK(inventory->unknown.empty());
    REQUIRE(inventory->serial.size() == 1);
    FakePorts ports{.base = 0x3f8};
    survey::probe_com_ports(*inventory, ports);
    REQUIRE(inventory->serial.size() == 1);
    CHECK(inventory->serial[0].irq == 4);
    CHECK(ports.scratch == 0x12); // as it was
    FakePorts nothing{.floating = true};
    inventory = test::new_inventory();
    survey::probe_com_ports(*inventory, nothing);
    CHECK(inventory->serial.empty());
}
