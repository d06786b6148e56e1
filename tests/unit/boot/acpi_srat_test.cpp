// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "boot/acpi_srat.hpp"

#include <array>
#include <random>

#include <catch2/catch_test_macros.hpp>

#include "fakes/acpi_builder.hpp"

using namespace bulkhead;
using fakes::AcpiBuilder;

namespace {

class Srat : public AcpiBuilder {
public:
    explicit Srat(u8 revision = 3) : AcpiBuilder("SRAT") {
        put(8, revision, 1);
        pad_to(48);
    }
    Srat& cpu(u8 apic_id, u32 domain, u32 flags = 1) {
        u8s({0, 16, static_cast<u8>(domain), apic_id}).u32v(flags);
        u8s({7, static_cast<u8>(domain >> 8), static_cast<u8>(domain >> 16), static_cast<u8>(domain >> 24)}).u32v(9);
        return *this;
    }
    Srat& x2apic(u32 apic_id, u32 domain, u32 flags = 1) {
        u8s({2, 24, 0, 0}).u32v(domain).u32v(apic_id).u32v(flags).u32v(9).u32v(0);
        return *this;
    }
    Srat& memory(u64 start, u64 size, u32 domain, u32 flags = 1) {
        u8s({1, 40}).u32v(domain).u16v(0).u64v(start).u64v(size).u32v(0).u32v(flags).u64v(0);
        return *this;
    }
};

} // namespace

TEST_CASE("SRAT: processors of both kinds, and memory") {
    Srat srat;
    srat.cpu(0, 0).cpu(2, 1).x2apic(300, 5).cpu(4, 0x01020304).memory(0, 640 * KiB, 0).memory(4 * GiB, GiB, 1);
    std::vector<CpuInfo> cpus{{.apic_id = 0}, {.apic_id = 2}, {.apic_id = 300}, {.apic_id = 4}, {.apic_id = 9}};
    std::array<NodeMemory, 8> room{};
    CHECK(acpi::count_srat_memory(srat.table()) == 2);
    const auto nodes = acpi::parse_srat(srat.table(), cpus, room);
    CHECK(cpus[0].node == 0);
    CHECK(cpus[1].node == 1);
    CHECK(cpus[2].node == 5);
    CHECK(cpus[3].node == 0x01020304);
    CHECK(cpus[4].node == 0); // not listed
    REQUIRE(nodes.size() == 2);
    CHECK(nodes[0].range.size == 640 * KiB);
    CHECK(nodes[1].range.start.value == 4 * GiB);
    CHECK(nodes[1].range.size == GiB);
    CHECK(nodes[1].node == 1);
}

TEST_CASE("SRAT: in revision 1 a domain has one byte") {
    Srat srat(1);
    srat.cpu(2, 0xaabbcc01);
    std::vector<CpuInfo> cpus{{.apic_id = 2}};
    CHECK(acpi::parse_srat(srat.table(), cpus, {}).empty());
    CHECK(cpus[0].node == 1);
}

TEST_CASE("SRAT: entries that are off, empty, wrap, or find no room") {
    Srat srat;
    srat.cpu(2, 1, 0).x2apic(4, 1, 0).memory(0, GiB, 1, 0).memory(GiB, 0, 1).memory(~u64{0} - MiB, GiB, 1);
    srat.memory(GiB, GiB, 3).memory(3 * GiB, GiB, 4);
    std::vector<CpuInfo> cpus{{.apic_id = 2}, {.apic_id = 4}};
    std::array<NodeMemory, 1> room{};
    const auto nodes = acpi::parse_srat(srat.table(), cpus, room);
    CHECK(cpus[0].node == 0);
    CHECK(cpus[1].node == 0);
    REQUIRE(nodes.size() == 1);
    CHECK(nodes[0].node == 3);
}

TEST_CASE("SRAT: damage is survived") {
    Srat whole;
    whole.cpu(0, 0).cpu(2, 1).x2apic(300, 5).memory(0, GiB, 0).memory(4 * GiB, GiB, 1);
    const std::vector<u8> good = whole.table();
    std::mt19937 random(5);
    for (int i = 0; i < 20000; ++i) {
        std::vector<u8> table(good.begin(), good.begin() + static_cast<std::ptrdiff_t>(random() % (good.size() + 1)));
        for (u32 change = random() % 4; change > 0 && !table.empty(); --change)
            table[random() % table.size()] = static_cast<u8>(random());
        std::vector<CpuInfo> cpus{{.apic_id = 0}, {.apic_id = 2}, {.apic_id = 300}};
        std::vector<NodeMemory> room(acpi::count_srat_memory(table));
        CHECK(acpi::parse_srat(table, cpus, room).size() <= room.size());
    }
}
