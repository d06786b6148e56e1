// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// Every machine and every CPU of the folder that BULKHEAD_RECORDINGS names gives an inventory that toml++ reads;
// so does every damaged copy of their tables.
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <random>

#include <catch2/catch_test_macros.hpp>

#include "survey/acpi.hpp"
#include "survey/memory.hpp"
#include "survey/processor.hpp"
#include "unit/boot/guest/cpuid_recording.hpp"
#include "unit/survey/proposed.hpp"

using namespace bulkhead;
namespace fs = std::filesystem;

namespace {

using Table = std::vector<u8>;

std::optional<fs::path> recordings() {
    const char* folder = std::getenv("BULKHEAD_RECORDINGS");
    return folder == nullptr ? std::nullopt : std::optional<fs::path>(folder);
}

std::vector<Table> tables_of(const fs::path& machine) {
    std::vector<Table> tables;
    for (const auto& entry : fs::directory_iterator(machine)) {
        if (entry.path().extension() != ".bin")
            continue;
        std::ifstream file(entry.path(), std::ios::binary);
        const std::string text((std::istreambuf_iterator<char>(file)), {});
        tables.emplace_back(text.begin(), text.end());
    }
    std::ranges::sort(tables);
    return tables;
}

std::unique_ptr<survey::Inventory> inventory_of(const std::vector<Table>& tables, u32 first_cpu = 0) {
    auto inventory = test::new_inventory();
    inventory->source = survey::Source::Recording;
    const std::vector<acpi::Bytes> views(tables.begin(), tables.end());
    survey::survey_acpi(*inventory, views, first_cpu);
    return inventory;
}

/// Lines "MSR=value", in hexadecimal.
std::map<u32, u64> msrs_of(const fs::path& path) {
    std::map<u32, u64> msrs;
    std::ifstream file(path);
    for (std::string line; std::getline(file, line);) {
        u32 number = 0;
        unsigned long long value = 0;
        if (std::sscanf(line.c_str(), "%x=%llx", &number, &value) == 2)
            msrs[number] = value;
    }
    return msrs;
}

/// Cut, with bytes changed, with lengths changed; half of them with a checksum that is right again.
void damage(Table& table, std::mt19937& random) {
    const auto below = [&](std::size_t limit) { return random() % std::max<std::size_t>(limit, 1); };
    switch (below(3)) {
    case 0:
        table.resize(below(table.size()));
        break;
    case 1:
        for (std::size_t i = below(8) + 1; i > 0 && !table.empty(); --i)
            table[below(table.size())] = static_cast<u8>(random());
        break;
    default: // what a length of 0, 1 or 255 would do to whoever believes it
        for (std::size_t i = below(4) + 1; i > 0 && table.size() > 40; --i)
            table[36 + below(table.size() - 36)] = static_cast<u8>(std::array{0, 1, 255}[below(3)]);
    }
    if (table.size() < 10 || below(2) == 0)
        return;
    for (unsigned i = 0; i < 4; ++i)
        table[4 + i] = static_cast<u8>(table.size() >> (8 * i));
    table[9] = 0;
    u8 sum = 0;
    for (const u8 byte : table)
        sum = static_cast<u8>(sum + byte);
    table[9] = static_cast<u8>(-sum);
}

} // namespace

TEST_CASE("inventory: every recorded machine gives one") {
    const auto folder = recordings();
    if (!folder)
        SKIP("BULKHEAD_RECORDINGS is not set: no recorded machine was surveyed");
    unsigned machines = 0, iommus = 0;
    for (const auto& entry : fs::directory_iterator(*folder / "acpi")) {
        INFO(entry.path().filename().string());
        const auto tables = tables_of(entry.path());
        const auto inventory = inventory_of(tables);
        const auto table = test::parsed(*inventory);
        CHECK(table["schema"].value<i64>() == survey::inventory_schema);
        CHECK(table["acpi"].as_array()->size() == tables.size());
        CHECK(table["cpu"].as_array()->size() == inventory->cpus.size());
        CHECK_FALSE(inventory->cpus.empty());
        // What was not understood of an undamaged table would be a fault of ours, or a firmware's that has a name here.
        for (const survey::Unknown& one : inventory->unknown)
            UNSCOPED_INFO(one.part.view() << ": " << one.problem.view() << ' ' << one.value);
        CHECK(inventory->unknown.size() <= 1);
        ++machines;
        iommus += inventory->iommus.empty() ? 0 : 1;
    }
    CHECK(machines >= 50);
    CHECK(iommus >= 10);
}

TEST_CASE("inventory: every recorded CPU gives one, with a verdict") {
    const auto folder = recordings();
    if (!folder)
        SKIP("BULKHEAD_RECORDINGS is not set: no recorded CPU was surveyed");
    unsigned cpus = 0;
    for (const auto& entry : fs::directory_iterator(*folder / "cpuid")) {
        test::CpuidRecording cpuid(entry.path());
        INFO(cpuid.name());
        auto inventory = test::new_inventory();
        inventory->source = survey::Source::Recording;
        for (u32 id = 0; id < 64; ++id)
            inventory->add(inventory->cpus, {.apic_id = id}, "CPUs");
        survey::survey_processor(*inventory, cpuid);
        survey::apply_topology(*inventory, cpuid);
        survey::judge(*inventory, cpuid);
        const auto table = test::parsed(*inventory);
        CHECK_FALSE(table["processor"]["vendor"].value<std::string>()->empty());
        CHECK_FALSE(table["processor"]["name"].value<std::string>()->empty());
        CHECK((inventory->caches.size() >= 2 || test::has_note(*inventory, "CPU caches", "CPUID does not describe")));
        // Without the MSRs "yes" would be a guess.
        CHECK(inventory->verdict != survey::Verdict::Yes);
        const bool can = inventory->virtualization.has_vmx || inventory->virtualization.has_svm;
        CHECK((inventory->verdict == survey::Verdict::No) == !can);
        CHECK_FALSE(inventory->reasons.empty());
        ++cpus;
    }
    CHECK(cpus >= 45);
}

TEST_CASE("inventory: what is proposed to every recorded machine, with every recorded CPU, fits it") {
    const auto folder = recordings();
    if (!folder)
        SKIP("BULKHEAD_RECORDINGS is not set: no recorded machine was proposed anything");
    unsigned pairs = 0;
    for (const auto& entry : fs::directory_iterator(*folder / "acpi")) {
        const auto tables = tables_of(entry.path());
        for (const auto& cpu : fs::directory_iterator(*folder / "cpuid")) {
            test::CpuidRecording cpuid(cpu.path());
            const auto inventory = inventory_of(tables);
            INFO(entry.path().filename().string() << " with " << cpuid.name());
            survey::survey_processor(*inventory, cpuid);
            survey::apply_topology(*inventory, cpuid);
            // The recordings have no memory map, and no SRAT: one machine is small, the next large.
            survey::add_memory(*inventory, {{MiB}, pairs % 2 == 0 ? 96 * MiB : 64 * GiB}, survey::MemoryKind::Free);
            const test::Proposed proposal(*inventory);
            INFO(proposal.text);
            REQUIRE(proposal.faults == "");
            REQUIRE_FALSE(proposal.guest_cpus.empty());
            ++pairs;
        }
    }
    CHECK(pairs >= 50 * 45);
}

TEST_CASE("inventory: every recorded set of VMX MSRs gives a verdict on every recorded CPU with VT-x") {
    const auto folder = recordings();
    if (!folder)
        SKIP("BULKHEAD_RECORDINGS is not set: no recorded MSR was surveyed");
    constexpr u32 feature_control = 0x3a;
    unsigned pairs = 0;
    for (const auto& entry : fs::directory_iterator(*folder / "cpuid"))
        for (const auto& set : fs::directory_iterator(*folder / "vmx_msrs")) {
            test::CpuidRecording cpuid(entry.path());
            INFO(cpuid.name() << " with " << set.path().filename());
            auto inventory = test::new_inventory();
            inventory->source = survey::Source::Recording;
            survey::survey_processor(*inventory, cpuid);
            if (!inventory->virtualization.has_vmx)
                continue;
            std::map<u32, u64> msrs = msrs_of(set.path());
            REQUIRE(msrs.size() >= 18);
            survey::survey_msrs(*inventory, cpuid, [&](u32 number) { return msrs[number]; });
            survey::judge(*inventory, cpuid);
            CHECK(inventory->verdict == survey::Verdict::Yes);
            CHECK(test::parsed(*inventory)["vmx"].is_table());

            msrs[feature_control] = 1; // locked, without VT-x
            survey::survey_msrs(*inventory, cpuid, [&](u32 number) { return msrs[number]; });
            survey::judge(*inventory, cpuid);
            CHECK(inventory->verdict == survey::Verdict::No);
            CHECK_FALSE(inventory->reasons.empty());
            ++pairs;
        }
    CHECK(pairs >= 100);
}

TEST_CASE("inventory: damaged copies of the recorded tables give one, too") {
    const auto folder = recordings();
    if (!folder)
        SKIP("BULKHEAD_RECORDINGS is not set: no recorded table was damaged");
    std::mt19937 random(5); // the same damage at each run
    u64 noticed = 0;
    for (const auto& entry : fs::directory_iterator(*folder / "acpi")) {
        INFO(entry.path().filename().string());
        const auto tables = tables_of(entry.path());
        for (unsigned i = 0; i < 40; ++i) {
            auto damaged = tables;
            for (Table& table : damaged)
                damage(table, random);
            const auto inventory = inventory_of(damaged);
            REQUIRE_NOTHROW(test::parsed(*inventory));
            noticed += inventory->unknown.empty() ? 0 : 1;
        }
    }
    CHECK(noticed > 1000); // of 2000
}
