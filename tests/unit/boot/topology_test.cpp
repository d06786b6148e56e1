// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "boot/topology.hpp"

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <vector>

#include <catch2/catch_test_macros.hpp>

using namespace bulkhead;
using namespace bulkhead::boot;

namespace {

/// Leaves that are not recorded read as 0.
struct Recording {
    std::map<std::pair<u32, u32>, CpuidRegisters> leaves;
    CpuidRegisters operator()(u32 leaf, u32 subleaf) const {
        const auto found = leaves.find({leaf, subleaf});
        return found == leaves.end() ? CpuidRegisters{} : found->second;
    }
};

constexpr u32 genu = 0x756e6547;
constexpr u32 auth = 0x68747541;

/// "CPUID 0000000B: 00000001-00000002-00000100-00000000 [SL 00]"
Recording read_recording(const std::filesystem::path& path) {
    Recording recording;
    std::ifstream file(path);
    for (std::string line; std::getline(file, line);) {
        u32 leaf = 0, subleaf = 0;
        CpuidRegisters r;
        if (std::sscanf(line.c_str(), "CPUID %x: %x-%x-%x-%x [SL %x]", &leaf, &r.eax, &r.ebx, &r.ecx, &r.edx,
                        &subleaf) >= 5)
            recording.leaves.emplace(std::pair{leaf, subleaf}, r);
    }
    return recording;
}

} // namespace

TEST_CASE("topology by leaf 0Bh: two threads, 64 IDs a package") {
    Recording cpu;
    cpu.leaves[{0, 0}] = {.eax = 0xd, .ebx = genu};
    cpu.leaves[{0xb, 0}] = {.eax = 1, .ebx = 2, .ecx = 0x100, .edx = 0x123};
    cpu.leaves[{0xb, 1}] = {.eax = 6, .ebx = 32, .ecx = 0x201, .edx = 0x123};
    CHECK(apic_id_layout(cpu) == ApicIdLayout{.smt_shift = 1, .package_shift = 6, .cache_shift = 6});
    CHECK(own_apic_id(cpu) == 0x123);
    std::vector<CpuInfo> cpus{{.apic_id = 0}, {.apic_id = 1}, {.apic_id = 2}, {.apic_id = 64}};
    apply_layout(cpus, apic_id_layout(cpu));
    CHECK(cpus[0].core == cpus[1].core);
    CHECK(cpus[1].core != cpus[2].core);
    CHECK(cpus[2].package == cpus[0].package);
    CHECK(cpus[3].package != cpus[0].package);
}

TEST_CASE("topology by leaf 1Fh: dies and modules are inside of the package") {
    Recording cpu;
    cpu.leaves[{0, 0}] = {.eax = 0x20, .ebx = genu};
    cpu.leaves[{0xb, 0}] = {.eax = 9, .ebx = 2, .ecx = 0x100, .edx = 9};
    cpu.leaves[{0x1f, 0}] = {.eax = 1, .ebx = 2, .ecx = 0x100, .edx = 0x10};
    cpu.leaves[{0x1f, 1}] = {.eax = 5, .ebx = 24, .ecx = 0x201, .edx = 0x10};
    cpu.leaves[{0x1f, 2}] = {.eax = 7, .ebx = 48, .ecx = 0x502, .edx = 0x10};
    CHECK(apic_id_layout(cpu) == ApicIdLayout{.smt_shift = 1, .package_shift = 7, .cache_shift = 7});
    CHECK(own_apic_id(cpu) == 0x10);
}

TEST_CASE("topology without leaf 0Bh: AMD") {
    Recording cpu;
    cpu.leaves[{0, 0}] = {.eax = 0xd, .ebx = auth};
    cpu.leaves[{1, 0}] = {.ebx = 0x11080800};
    cpu.leaves[{0x8000'0000, 0}] = {.eax = 0x8000'001e};
    cpu.leaves[{0x8000'0008, 0}] = {.ecx = 0x4007};
    CHECK(apic_id_layout(cpu) == ApicIdLayout{.smt_shift = 0, .package_shift = 4, .cache_shift = 4});
    CHECK(own_apic_id(cpu) == 0x11);
    cpu.leaves[{0x8000'0001, 0}] = {.ecx = 1u << 22};
    cpu.leaves[{0x8000'001e, 0}] = {.ebx = 0x100};
    CHECK(apic_id_layout(cpu) == ApicIdLayout{.smt_shift = 1, .package_shift = 4, .cache_shift = 4});
    cpu.leaves[{0x8000'0008, 0}] = {.ecx = 5}; // no ApicIdSize: by the number of threads
    CHECK(apic_id_layout(cpu).package_shift == 3);
}

TEST_CASE("topology without leaf 0Bh: Intel") {
    Recording cpu;
    cpu.leaves[{0, 0}] = {.eax = 0xa, .ebx = genu};
    cpu.leaves[{1, 0}] = {.ebx = 0x00080000};
    CHECK(apic_id_layout(cpu) == ApicIdLayout{}); // one thread: HTT is 0
    cpu.leaves[{1, 0}].edx = 1u << 28;
    cpu.leaves[{4, 0}] = {.eax = 3u << 26 | 7u << 14 | 0x121};
    CHECK(apic_id_layout(cpu) == ApicIdLayout{.smt_shift = 1, .package_shift = 3, .cache_shift = 3});
    cpu.leaves[{4, 0}].eax = 63u << 26; // more cores than IDs: a lie that must not wrap
    CHECK(apic_id_layout(cpu) == ApicIdLayout{.smt_shift = 0, .package_shift = 3, .cache_shift = 3});
}

TEST_CASE("topology: the last level of cache") {
    Recording cpu;
    cpu.leaves[{0, 0}] = {.eax = 0xd, .ebx = genu};
    cpu.leaves[{0xb, 0}] = {.eax = 1, .ebx = 2, .ecx = 0x100};
    cpu.leaves[{0xb, 1}] = {.eax = 6, .ebx = 32, .ecx = 0x201};
    cpu.leaves[{4, 0}] = {.eax = 1u << 14 | 0x21};  // data, level 1, two threads
    cpu.leaves[{4, 1}] = {.eax = 63u << 14 | 0xe2}; // instructions, of a level that only data has
    cpu.leaves[{4, 2}] = {.eax = 3u << 14 | 0x43};
    CHECK(apic_id_layout(cpu).cache_shift == 2);
    cpu.leaves[{4, 3}] = {.eax = 23u << 14 | 0x63}; // level 3, 24 threads: IDs are not all used
    CHECK(apic_id_layout(cpu).cache_shift == 5);
    std::vector<CpuInfo> cpus{{.apic_id = 0}, {.apic_id = 31}, {.apic_id = 32}};
    apply_layout(cpus, apic_id_layout(cpu));
    CHECK(cpus[0].cache == cpus[1].cache);
    CHECK(cpus[1].cache != cpus[2].cache);
    cpu.leaves[{4, 3}] = {.eax = 4095u << 14 | 0x63}; // never more than the package
    CHECK(apic_id_layout(cpu).cache_shift == 6);
    cpu.leaves[{4, 3}] = {.eax = 0x63}; // never less than the core
    CHECK(apic_id_layout(cpu).cache_shift == 1);
}

TEST_CASE("topology: the last level of cache of an AMD CPU") {
    Recording cpu;
    cpu.leaves[{0, 0}] = {.eax = 0x10, .ebx = auth};
    cpu.leaves[{0xb, 0}] = {.eax = 1, .ebx = 2, .ecx = 0x100};
    cpu.leaves[{0xb, 1}] = {.eax = 7, .ebx = 128, .ecx = 0x201};
    cpu.leaves[{4, 0}] = {.eax = 3u << 14 | 0x63}; // not AMD's leaf
    cpu.leaves[{0x8000'0000, 0}] = {.eax = 0x8000'001e};
    cpu.leaves[{0x8000'001d, 0}] = {.eax = 1u << 14 | 0x21};
    cpu.leaves[{0x8000'001d, 1}] = {.eax = 15u << 14 | 0x63};
    CHECK(apic_id_layout(cpu).cache_shift == 7); // no TopologyExtensions: there is no such leaf
    cpu.leaves[{0x8000'0001, 0}] = {.ecx = 1u << 22};
    CHECK(apic_id_layout(cpu).cache_shift == 4);
}

TEST_CASE("topology of a CPU that says nothing, or nonsense") {
    const Recording silent;
    CHECK(apic_id_layout(silent) == ApicIdLayout{});
    const auto all_ones = [](u32, u32) { return CpuidRegisters{~0u, ~0u, ~0u, ~0u}; };
    CHECK(apic_id_layout(all_ones).package_shift <= 31);
    Recording cpu;
    cpu.leaves[{0, 0}] = {.eax = 0xb, .ebx = genu};
    cpu.leaves[{0xb, 0}] = {.eax = 5, .ebx = 2, .ecx = 0x100};
    cpu.leaves[{0xb, 1}] = {.eax = 2, .ebx = 2, .ecx = 0x201};
    CHECK(apic_id_layout(cpu).package_shift >= apic_id_layout(cpu).smt_shift);
}

TEST_CASE("topology of real CPUs") {
    const char* folder = std::getenv("BULKHEAD_RECORDINGS");
    if (folder == nullptr)
        SKIP("BULKHEAD_RECORDINGS is not set: the recorded CPUs were not replayed");
    for (const auto& entry : std::filesystem::directory_iterator(std::filesystem::path(folder) / "cpuid")) {
        INFO(entry.path().filename().string());
        const Recording cpu = read_recording(entry.path());
        REQUIRE_FALSE(cpu.leaves.empty());
        const ApicIdLayout layout = apic_id_layout(cpu);
        const u32 vendor = cpu(0, 0).ebx;
        if (vendor == genu || vendor == auth) // emulators on other machines claim eight threads a core
            CHECK(layout.smt_shift <= 2);     // Xeon Phi has four
        CHECK(layout.package_shift >= layout.smt_shift);
        CHECK(layout.package_shift <= 16);
        CHECK(layout.cache_shift >= layout.smt_shift);
        CHECK(layout.cache_shift <= layout.package_shift);
    }
}
