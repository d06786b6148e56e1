// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "config/placement.hpp"

#include <algorithm>
#include <random>

#include <catch2/catch_test_macros.hpp>

#include "loaded.hpp"

using namespace bulkhead;
using namespace bulkhead::test;

namespace {

/// One guest for each of `guests`, which has its `cpus` and `memory` lines.
std::string configuration(std::initializer_list<std::string_view> guests, std::string_view hypervisor = "") {
    std::string text = "[hypervisor]\n" + std::string(hypervisor) + "\n";
    char name = 'a';
    for (std::string_view guest : guests)
        text += std::string("[[guest]]\nname = '") + name++ + "'\nkernel = 'vmlinuz'\n" + std::string(guest) + "\n";
    return text;
}

constexpr std::string_view small = "memory = '16 MiB'\n";

std::string cpus(std::string_view value) { return std::string(small) + "cpus = " + std::string(value); }

FakeMachine machine_of(std::initializer_list<u32> cores) {
    return FakeMachine::with_cores(cores, {{{16 * MiB}, 1 * GiB}});
}

std::vector<std::vector<u32>> cpus_of(const Loaded& loaded) {
    std::vector<std::vector<u32>> result;
    for (const GuestPlan& guest : loaded.loaded.plan.guests)
        result.emplace_back(guest.cpus.begin(), guest.cpus.end());
    return result;
}

using Cpus = std::vector<std::vector<u32>>;

struct Chunk {
    u64 guest, host, size;
    bool operator==(const Chunk&) const = default;
};

std::vector<Chunk> chunks_of(std::string_view memory, std::vector<PhysicalRange> free) {
    const Loaded loaded(configuration({"memory = '" + std::string(memory) + "'"}),
                        FakeMachine::with_cores({1, 1}, std::move(free)));
    CHECK(loaded.faults().empty());
    std::vector<Chunk> result;
    for (const MemoryChunk& chunk : loaded.loaded.plan.guests[0].memory)
        result.push_back({chunk.guest.value, chunk.host.value, chunk.size});
    return result;
}

using Chunks = std::vector<Chunk>;

} // namespace

TEST_CASE("Placement: CPU 0 is given away last, and does the hypervisor's work while nobody has it") {
    const Loaded two(configuration({cpus("1"), cpus("1")}), machine_of({1, 1, 1, 1}));
    CHECK(cpus_of(two) == Cpus{{1}, {2}});
    CHECK(two.loaded.plan.service_cpu == 0);
    const Loaded all(configuration({cpus("1"), cpus("3")}), machine_of({1, 1, 1, 1}));
    CHECK(cpus_of(all) == Cpus{{1}, {0, 2, 3}});
    CHECK(all.loaded.plan.service_cpu == 0);
}

TEST_CASE("Placement: lists come first, and their order is the guest's") {
    const Loaded loaded(configuration({cpus("2"), cpus("[3, 1]")}), machine_of({1, 1, 1, 1, 1}));
    CHECK(cpus_of(loaded) == Cpus{{2, 4}, {3, 1}});
    const Loaded zero(configuration({cpus("[0]"), cpus("1")}), machine_of({1, 1, 1}));
    CHECK(cpus_of(zero) == Cpus{{0}, {1}});
    CHECK(zero.loaded.plan.service_cpu == 2);
}

TEST_CASE("Placement: a guest has whole cores where the threads of a core are siblings") {
    const Loaded pair(configuration({cpus("2"), cpus("1")}), machine_of({2, 2, 2}));
    CHECK(cpus_of(pair) == Cpus{{2, 3}, {4}});
    const Loaded singles(configuration({cpus("1"), cpus("1")}), machine_of({2, 2}));
    CHECK(cpus_of(singles) == Cpus{{2}, {1}});
    CHECK(singles.loaded.plan.service_cpu == 0);
    const Loaded hybrid(configuration({cpus("1"), cpus("2")}), machine_of({1, 2, 1}));
    CHECK(cpus_of(hybrid) == Cpus{{3}, {1, 2}});
    const Loaded tight(configuration({cpus("2"), cpus("1"), cpus("1")}), machine_of({2, 1, 1}));
    CHECK(cpus_of(tight) == Cpus{{0, 1}, {2}, {3}});
}

TEST_CASE("Placement: sibling threads that the firmware does not number together") {
    FakeMachine machine = machine_of({1, 1, 1, 1});
    machine.cpus[2].core = 0;
    machine.cpus[3].core = 1;
    CHECK(cpus_of(Loaded(configuration({cpus("2")}), machine)) == Cpus{{1, 3}});
    CHECK(Loaded(configuration({cpus("[1]"), cpus("[3]")}), machine).faults() ==
          "f:12:9: error: CPU 3 of the guest 'b' is a sibling thread of CPU 1, which the guest 'a' has (line 7); two "
          "guests share a core only with 'allow-split-cores = true' below [hypervisor]\n");
}

TEST_CASE("Placement: siblings within one guest's list are right") {
    CHECK(Loaded(configuration({cpus("[1, 0]"), cpus("[2]")}), machine_of({2, 2})).faults().empty());
}

TEST_CASE("Placement: CPUs that are not there") {
    CHECK(Loaded(configuration({cpus("[1, 4]"), cpus("2")}), machine_of({2, 2})).faults() ==
          "f:7:12: error: there is no CPU 4; this machine has the CPUs 0 to 3\n");
    CHECK(
        Loaded(configuration({cpus("1"), cpus("1"), small}), machine_of({2, 2})).faults() ==
        "f:13:3: error: this guest wants 1 CPU; 0 are left for it of the 4 of this machine (no two guests get threads "
        "of one core)\n");
    // A guest that gets none takes none from those behind it.
    CHECK(
        Loaded(configuration({cpus("5"), cpus("4")}), machine_of({2, 2})).faults() ==
        "f:7:8: error: this guest wants 5 CPUs; 4 are left for it of the 4 of this machine (no two guests get threads "
        "of one core)\n");
    CHECK(Loaded(configuration({cpus("1")}), machine_of({})).faults() == "f: error: the firmware reports no CPU\n");
}

TEST_CASE("Placement: the service CPU") {
    const Loaded kept(configuration({cpus("2")}, "service-cpu = 2"), machine_of({1, 1, 1, 1}));
    CHECK(cpus_of(kept) == Cpus{{1, 3}});
    CHECK(kept.loaded.plan.service_cpu == 2);
    const Loaded shared(configuration({cpus("[2]")}, "service-cpu = 2"), machine_of({1, 1, 1, 1}));
    CHECK(shared.loaded.plan.service_cpu == 2);
    CHECK(shared.plan().ends_with("hypervisor: CPU 2 (APIC ID 4), shared with guest a\n"));
    CHECK(Loaded(configuration({cpus("1")}, "service-cpu = 4"), machine_of({2, 2})).faults() ==
          "f:2:15: error: there is no CPU 4; this machine has the CPUs 0 to 3\n");

    FakeMachine high = machine_of({1, 1, 1});
    high.cpus[1].apic_id = 255;
    CHECK(Loaded(configuration({cpus("1")}, "service-cpu = 1"), high).faults() ==
          "f:2:15: error: CPU 1 has the APIC ID 255; the service CPU needs one below 255, as typed input is sent to it "
          "by an IOAPIC\n");
    const Loaded avoided(configuration({cpus("[0]")}), high);
    CHECK(avoided.loaded.plan.service_cpu == 2);
}

TEST_CASE("Placement: memory in one piece where it can be") {
    CHECK(chunks_of("512 MiB", {{{1 * MiB}, 1023 * MiB}}) == Chunks{{0, 2 * MiB, 512 * MiB}});
    CHECK(chunks_of("512 MiB", {{{0x40000000}, 1 * GiB}}) == Chunks{{0, 0x40000000, 512 * MiB}});
    // Odd edges are not used.
    CHECK(chunks_of("4 MiB", {{{3 * MiB}, 5 * MiB + 4096}}) == Chunks{{0, 4 * MiB, 4 * MiB}});
    // Neighbours are one range.
    CHECK(chunks_of("4 MiB", {{{16 * MiB}, 1 * MiB}, {{17 * MiB}, 3 * MiB}}) == Chunks{{0, 16 * MiB, 4 * MiB}});
    // The frame at 0 is never used.
    CHECK(chunks_of("2 MiB", {{{0}, 4 * MiB}}) == Chunks{{0, 2 * MiB, 2 * MiB}});
}

TEST_CASE("Placement: 1 GiB frames go to those who can use them") {
    // A small guest takes what is no whole frame.
    CHECK(chunks_of("512 MiB", {{{1 * GiB}, 2 * GiB + 600 * MiB}}) == Chunks{{0, 3 * GiB + 88 * MiB, 512 * MiB}});
    CHECK(chunks_of("512 MiB", {{{256 * MiB}, 2 * GiB}}) == Chunks{{0, 256 * MiB, 512 * MiB}});
    // A large one begins at a multiple of 1 GiB.
    CHECK(chunks_of("2 GiB", {{{16 * MiB}, 4 * GiB}}) == Chunks{{0, 1 * GiB, 2 * GiB}});
    // Rather two pieces than no frame.
    CHECK(chunks_of("2560 MiB", {{{256 * MiB}, 2 * GiB + 800 * MiB}}) ==
          Chunks{{0, 1 * GiB, 2 * GiB}, {2 * GiB, 256 * MiB, 512 * MiB}});
    // No frame at all: the largest pieces.
    CHECK(chunks_of("1 GiB", {{{512 * MiB}, 600 * MiB}, {{1800 * MiB}, 500 * MiB}}) ==
          Chunks{{0, 512 * MiB, 600 * MiB}, {600 * MiB, 1800 * MiB, 424 * MiB}});
}

TEST_CASE("Placement: RAM goes on above the hole") {
    CHECK(chunks_of("3 GiB", {{{4 * GiB}, 8 * GiB}}) == Chunks{{0, 4 * GiB, 3 * GiB}});
    CHECK(chunks_of("4 GiB", {{{4 * GiB}, 8 * GiB}}) == Chunks{{0, 4 * GiB, 3 * GiB}, {4 * GiB, 7 * GiB, 1 * GiB}});
}

TEST_CASE("Placement: memory that is not there") {
    const FakeMachine machine = FakeMachine::with_cores({1, 1, 1}, {{{16 * MiB}, 64 * MiB}, {{1 * GiB}, 100 * MiB}});
    CHECK(Loaded(configuration({"memory = '128 MiB'", "memory = '38 MiB'", "memory = '36 MiB'"}), machine).faults() ==
          "f:10:10: error: this guest wants 38 MiB; 36 MiB are left of the 164 MiB that this machine has for guests "
          "(largest piece 36 MiB)\n");
}

TEST_CASE("Placement: the plan as text") {
    const Loaded loaded(configuration({cpus("1"), "memory = '4 GiB'\ncpus = 2"}),
                        FakeMachine::with_cores({1, 1, 1, 1}, {{{16 * MiB}, 3 * GiB}, {{4 * GiB}, 3 * GiB}}));
    CHECK(loaded.plan() == "guest a: CPU 1 (APIC ID 2), 16 MiB at 0x1000000\n"
                           "guest b: CPUs 2, 3 (APIC IDs 4, 6), 3 GiB at 0x100000000, 1 GiB at 0x40000000\n"
                           "hypervisor: CPU 0 (APIC ID 0)\n");
}

namespace {

u64 end_of(const MemoryChunk& chunk) { return chunk.host.value + chunk.size; }

FakeMachine random_machine(std::mt19937& random) {
    FakeMachine machine;
    const u32 cores = 1 + random() % 12;
    for (u32 core = 0; core < cores; ++core)
        for (u32 thread = random() % 2; thread < 2; ++thread)
            machine.cpus.push_back({.apic_id = core * 2 + thread, .acpi_uid = 0, .core = core, .package = 0});
    std::shuffle(machine.cpus.begin(), machine.cpus.end(), random);
    u64 at = 0;
    for (u32 ranges = 1 + random() % 12; ranges > 0; --ranges) {
        at += (random() % 3 == 0 ? random() % GiB : random() % (8 * MiB)) & ~u64{0xfff};
        const u64 size = (random() % 2 == 0 ? random() % (5 * GiB) : random() % (64 * MiB)) & ~u64{0xfff};
        machine.memory.push_back({{at}, size});
        at += size;
    }
    return machine;
}

std::string random_configuration(std::mt19937& random, const FakeMachine& machine) {
    std::string text;
    std::vector<u32> free(machine.cpus.size());
    for (u32 i = 0; i < free.size(); ++i)
        free[i] = i;
    const u32 guests = 1 + random() % 4;
    for (u32 i = 0; i < guests; ++i) {
        const u64 mib = random() % 2 == 0 ? 8 + random() % 4000 * 2 : 8 + random() % 100 * 2;
        text += "[[guest]]\nname = 'g" + std::to_string(i) + "'\nkernel = 'vmlinuz'\nmemory = '" + std::to_string(mib) +
                " MiB'\n";
        if (random() % 3 == 0 && !free.empty()) {
            text += "cpus = [" + std::to_string(free.back()) + "]\n";
            free.pop_back();
        } else {
            text += "cpus = " + std::to_string(1 + random() % 4) + "\n";
        }
    }
    return text;
}

void check_cpus(const Loaded& loaded) {
    std::vector<int> owner(loaded.machine.cpus.size(), -1);
    for (std::size_t i = 0; i < loaded.loaded.plan.guests.size(); ++i) {
        const auto& mine = loaded.loaded.plan.guests[i].cpus;
        REQUIRE(mine.size() == loaded.guest(i).cpus.count);
        for (const u32 cpu : mine) {
            REQUIRE(owner.at(cpu) == -1);
            owner[cpu] = static_cast<int>(i);
        }
    }
    for (std::size_t a = 0; a < owner.size(); ++a)
        for (std::size_t b = 0; b < a; ++b)
            if (loaded.machine.cpus[a].core == loaded.machine.cpus[b].core && owner[a] >= 0 && owner[b] >= 0)
                REQUIRE(owner[a] == owner[b]);
}

void check_guest_memory(std::span<const MemoryChunk> chunks, u64 size) {
    u64 next = 0;
    u64 sum = 0;
    for (const MemoryChunk& chunk : chunks) {
        if (next == guest_hole_start)
            next = guest_hole_end;
        REQUIRE(chunk.guest.value == next);
        REQUIRE(chunk.size > 0);
        REQUIRE((chunk.guest.value | chunk.host.value | chunk.size) % (2 * MiB) == 0);
        next += chunk.size;
        sum += chunk.size;
        REQUIRE((next <= guest_hole_start || chunk.guest.value >= guest_hole_end));
    }
    REQUIRE(sum == size);
}

void check_memory(const Loaded& loaded) {
    std::vector<MemoryChunk> all;
    for (std::size_t i = 0; i < loaded.loaded.plan.guests.size(); ++i) {
        const auto& mine = loaded.loaded.plan.guests[i].memory;
        check_guest_memory(mine, loaded.guest(i).memory.value);
        all.insert(all.end(), mine.begin(), mine.end());
    }
    std::ranges::sort(all, {}, &MemoryChunk::host);
    for (std::size_t i = 1; i < all.size(); ++i)
        REQUIRE(end_of(all[i - 1]) <= all[i].host.value);
    for (const MemoryChunk& chunk : all) {
        u64 covered = 0;
        for (const PhysicalRange& range : loaded.machine.memory) {
            const u64 start = std::max(range.start.value, chunk.host.value);
            const u64 end = std::min(range.start.value + range.size, end_of(chunk));
            covered += end > start ? end - start : 0;
        }
        REQUIRE(covered == chunk.size);
    }
}

} // namespace

TEST_CASE("Placement: what holds for every plan") {
    std::mt19937 random(64);
    int plans = 0;
    int refused = 0;
    for (int i = 0; i < 1500; ++i) {
        const FakeMachine machine = random_machine(random);
        const std::string text = random_configuration(random, machine);
        const Loaded loaded(text, machine);
        INFO(text << loaded.faults() << loaded.plan());
        REQUIRE(Loaded(text, machine).plan() == loaded.plan());
        if (!loaded.right) {
            ++refused;
            continue;
        }
        ++plans;
        check_cpus(loaded);
        check_memory(loaded);
    }
    CHECK(plans > 200);
    CHECK(refused > 200);
}
