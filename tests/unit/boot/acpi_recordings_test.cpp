// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// Tables of real machines, from the folder that BULKHEAD_RECORDINGS names: acpi/ID/{APIC,FACP,MCFG,DMAR,IVRS}.bin.
#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

#include <catch2/catch_test_macros.hpp>

#include "boot/acpi_madt.hpp"
#include "boot/acpi_platform.hpp"

using namespace bulkhead;

namespace {

std::vector<std::filesystem::path> machines() {
    std::vector<std::filesystem::path> result;
    if (const char* folder = std::getenv("BULKHEAD_RECORDINGS"))
        for (const auto& entry : std::filesystem::directory_iterator(std::filesystem::path(folder) / "acpi"))
            result.push_back(entry.path());
    return result;
}

/// The whole, checked table; empty where the machine has none.
std::vector<u8> table_of(const std::filesystem::path& machine, const std::string& signature) {
    std::ifstream file(machine / (signature + ".bin"), std::ios::binary);
    const std::vector<char> bytes((std::istreambuf_iterator<char>(file)), {});
    std::vector<u8> table(bytes.begin(), bytes.end());
    if (!table.empty())
        CHECK(acpi::check_table(table, signature).has_value());
    return table;
}

void check_madt(const std::vector<u8>& table, bool hardware_reduced) {
    const acpi::MadtCounts counts = acpi::count_madt(table);
    std::vector<CpuInfo> cpus(counts.cpus);
    std::vector<IoApicInfo> io_apics(counts.io_apics);
    std::vector<InterruptOverride> overrides(counts.overrides);
    const acpi::Madt madt = acpi::parse_madt(table, {cpus, io_apics, overrides});
    CHECK_FALSE(madt.damaged);
    CHECK(madt.cpus.size() >= 1);
    CHECK(madt.io_apics.size() >= 1);
    CHECK(madt.local_apic.value == 0xfee0'0000);
    CHECK(madt.has_8259 == !hardware_reduced);
    std::vector<u32> ids;
    for (const CpuInfo& cpu : madt.cpus)
        ids.push_back(cpu.apic_id);
    std::ranges::sort(ids);
    CHECK(std::ranges::adjacent_find(ids) == ids.end());
    // A PC has the timer on pin 2.
    CHECK(std::ranges::any_of(madt.overrides, [](const auto& item) { return item.isa_irq == 0 && item.gsi == 2; }));
}

} // namespace

TEST_CASE("ACPI tables of real machines") {
    if (std::getenv("BULKHEAD_RECORDINGS") == nullptr)
        SKIP("BULKHEAD_RECORDINGS is not set: the recorded tables were not read");
    const auto all = machines();
    REQUIRE_FALSE(all.empty());
    for (const auto& machine : all) {
        INFO(machine.filename().string());
        const auto fadt = table_of(machine, "FACP");
        const bool hardware_reduced = (acpi::field<u32>(fadt, 112) & 1u << 20) != 0;
        check_madt(table_of(machine, "APIC"), hardware_reduced);
        CHECK((acpi::parse_fadt(fadt).port != 0) == !hardware_reduced);
        if (const auto mcfg = table_of(machine, "MCFG"); !mcfg.empty()) {
            std::vector<EcamInfo> ranges(acpi::count_mcfg(mcfg));
            CHECK(acpi::parse_mcfg(mcfg, ranges).size() == ranges.size());
        }
        std::vector<HostPhysical> bases(64);
        if (const auto dmar = table_of(machine, "DMAR"); !dmar.empty())
            CHECK_FALSE(acpi::parse_dmar(dmar, bases).empty());
        if (const auto ivrs = table_of(machine, "IVRS"); !ivrs.empty())
            CHECK_FALSE(acpi::parse_ivrs(ivrs, bases).empty());
    }
}
