// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// What a configuration can ask for beyond a number of CPUs and a size: the rest, shares, ranges, one cache, split
// cores, what is near, digests, and the version of its keys.
#include <algorithm>

#include <catch2/catch_test_macros.hpp>

#include "loaded.hpp"

using namespace bulkhead;
using namespace bulkhead::test;

namespace {

/// The n-th guest's table begins at line 3 + 4 n and its own lines two further, if each has one line.
std::string configuration(std::initializer_list<std::string_view> guests, std::string_view hypervisor = "") {
    std::string text = "[hypervisor]\n" + std::string(hypervisor) + "\n";
    char name = 'a';
    for (std::string_view guest : guests)
        text += std::string("[[guest]]\nname = '") + name++ + "'\nkernel = 'vmlinuz'\n" + std::string(guest) + "\n";
    return text;
}

FakeMachine machine_of(std::initializer_list<u32> cores) {
    return FakeMachine::with_cores(cores, {{{16 * MiB}, 1 * GiB}});
}

using Cpus = std::vector<std::vector<u32>>;

Cpus cpus_of(const Loaded& loaded) {
    CHECK(loaded.faults().empty());
    Cpus result;
    for (const GuestPlan& guest : loaded.loaded.plan.guests)
        result.emplace_back(guest.cpus.begin(), guest.cpus.end());
    return result;
}

/// Pairs of host address and size.
using Chunks = std::vector<std::vector<std::pair<u64, u64>>>;

Chunks chunks_of(const Loaded& loaded) {
    CHECK(loaded.faults().empty());
    Chunks result;
    for (const GuestPlan& guest : loaded.loaded.plan.guests) {
        result.emplace_back();
        for (const MemoryChunk& chunk : guest.memory)
            result.back().emplace_back(chunk.host.value, chunk.size);
    }
    return result;
}

/// Two packages of two cores of two threads, 4 GiB each; in each package a cache for each core.
FakeMachine two_nodes() {
    FakeMachine machine =
        FakeMachine::with_cores({2, 2, 2, 2}, {{{16 * MiB}, 3 * GiB - 16 * MiB}, {{4 * GiB}, 5 * GiB}});
    for (u32 i = 0; i < machine.cpus.size(); ++i)
        machine.cpus[i].node = machine.cpus[i].cache = machine.cpus[i].package = i / 4;
    machine.nodes = {{{{0}, 5 * GiB}, 0}, {{{5 * GiB}, 4 * GiB}, 1}};
    return machine;
}

constexpr std::string_view small = "memory = '16 MiB'\n";

std::string cpus(std::string_view value) { return std::string(small) + "cpus = " + std::string(value); }

} // namespace

TEST_CASE("Intents: the version of the keys") {
    CHECK(Loaded("schema = 1\n" + configuration({small}), machine_of({1, 1})).faults().empty());
    CHECK(
        Loaded("schema = 2\nfuture = 1\n[new]\n" + configuration({small})).faults() ==
        "f:1:10: error: this file is written for version 2 of the keys, and this program knows version 1: use a newer "
        "Bulkhead, or write the file for this one (its docs/configuration.md)\n");
    CHECK(Loaded("schema = 0\n" + configuration({small})).faults() ==
          "f:1:10: error: 'schema' must be 1 to 1000000, not 0\n");
    CHECK(Loaded("schema = '1'\n" + configuration({small})).faults() ==
          "f:1:10: error: 'schema' is a whole number, not a text\n");
    CHECK(Loaded(configuration({small}, "schema = 1")).faults() ==
          "f:2:1: error: 'schema' belongs above all tables, at the top of the file\n");
    CHECK(Loaded("rest = true\n" + configuration({small})).faults() ==
          "f:1:1: error: 'rest' stands outside of a table; it belongs below [[guest]]\n");
}

TEST_CASE("Intents: the rest is every core and all memory that nobody claims") {
    const Loaded loaded(configuration({"rest = true", "memory = '256 MiB'\ncpus = 2", small}),
                        machine_of({2, 2, 2, 1}));
    CHECK(cpus_of(loaded) == Cpus{{0, 1, 4, 5}, {2, 3}, {6}});
    CHECK(loaded.loaded.plan.service_cpu == 0);
    const Chunks chunks = chunks_of(loaded);
    REQUIRE(chunks[0].size() == 1);
    CHECK(chunks[0][0].second == GiB - 256 * MiB - 16 * MiB);
}

TEST_CASE("Intents: the rest does not get threads of cores that others have") {
    const Loaded whole(configuration({small, "rest = true"}), machine_of({2, 2}));
    CHECK(cpus_of(whole) == Cpus{{2}, {0, 1}});
    CHECK(whole.loaded.plan.service_cpu == 3); // a thread that nobody gets
    const Loaded split(configuration({small, "rest = true"}, "allow-split-cores = true"), machine_of({2, 2}));
    CHECK(cpus_of(split) == Cpus{{2}, {0, 1, 3}});
}

TEST_CASE("Intents: the rest contradicts what it is the rest of") {
    CHECK(
        Loaded(configuration({"rest = true\ncpus = 2\ncpus-share-cache = true\nmemory = '16 MiB'"})).faults() ==
        "f:7:8: error: 'cpus' contradicts 'rest' in line 6: that guest gets every core and all memory that the others "
        "leave\n"
        "f:8:20: error: 'cpus-share-cache' contradicts 'rest' in line 6: that guest gets every core and all memory "
        "that the others leave\n"
        "f:9:10: error: 'memory' contradicts 'rest' in line 6: that guest gets every core and all memory that the "
        "others leave\n");
    CHECK(Loaded(configuration({"rest = true", "rest = true"})).faults() ==
          "f:10:8: error: only one guest can have the rest; the guest 'a' has it, in line 6\n");
    CHECK(Loaded(configuration({"rest = false"})).faults().contains("this guest has no 'memory'"));
    CHECK(Loaded(configuration({"rest = 1"})).faults().contains("'rest' is true or false, not a number"));
}

TEST_CASE("Intents: a rest of nothing") {
    CHECK(Loaded(configuration({cpus("1"), "rest = true"}), machine_of({1})).faults() ==
          "f:11:8: error: no core is left for this guest: the others have threads of all cores\n");
    CHECK(
        Loaded(configuration({"memory = '1 GiB'", "rest = true"}), machine_of({1, 1})).faults() ==
        "f:10:8: error: no memory is left for this guest: the others claim all of the 1 GiB that this machine has for "
        "guests\n");
}

TEST_CASE("Intents: a share of the memory") {
    const Loaded loaded(configuration({"memory = '50%'", "memory = '25 %'", "memory = '256 MiB'"}),
                        machine_of({1, 1, 1}));
    const Chunks chunks = chunks_of(loaded);
    CHECK(chunks[0][0].second == 512 * MiB);
    CHECK(chunks[1][0].second == 256 * MiB);
    CHECK(chunks[2][0].second == 256 * MiB);
    CHECK(chunks_of(Loaded(configuration({"memory = '100%'"}), machine_of({1})))[0][0].second == GiB);
    CHECK(chunks_of(Loaded(configuration({"memory = '33%'"}), machine_of({1})))[0][0].second == 336 * MiB);
    CHECK(Loaded(configuration({"memory = '60%'", "memory = '50%'"}), machine_of({1, 1})).faults() ==
          "f:10:10: error: with this one the guests' shares of the memory are 110%\n"
          "f:10:10: error: this guest wants 512 MiB; 410 MiB are left of the 1 GiB that this machine has for guests "
          "(largest piece 410 MiB)\n");
    CHECK(Loaded(configuration({"memory = '1%'"}), FakeMachine::with_cores({1}, {{{2 * MiB}, 64 * MiB}})).faults() ==
          "f:6:10: error: 1% of the 64 MiB that this machine has for guests is less than the 2 MiB that a guest has at "
          "least\n");
    CHECK(Loaded(configuration({"memory = '60%'"}), FakeMachine::with_cores({1}, {{{4 * GiB}, 1024 * GiB}})).faults() ==
          "f:6:10: error: 60% of the 1024 GiB that this machine has for guests is more than the 511 GiB that a guest "
          "can have\n");
    for (const char* wrong : {"'0%'", "'101%'", "'%'", "'-5%'", "'5.5%'", "'5  %'", "'99999999999999999999999%'"})
        CHECK(Loaded(configuration({"memory = " + std::string(wrong)}))
                  .faults()
                  .starts_with("f:6:10: error: as a share 'memory' is a whole number from 1 to 100 and %, not '"));
}

TEST_CASE("Intents: ranges of the machine's memory, in the guest's order") {
    const Loaded loaded(configuration({"memory = '64 MiB'", "memory = ['32 MiB at 0x3000000', '16 MiB at 16 MiB']"}),
                        machine_of({1, 1}));
    CHECK(chunks_of(loaded) == Chunks{{{80 * MiB, 64 * MiB}}, {{48 * MiB, 32 * MiB}, {16 * MiB, 16 * MiB}}});
    CHECK(loaded.guest(1).memory.value == 48 * MiB);
}

TEST_CASE("Intents: a range goes on behind the guest's hole") {
    const Loaded loaded(configuration({"memory = ['2 GiB at 4 GiB', '2 GiB at 8 GiB']"}),
                        FakeMachine::with_cores({1}, {{{4 * GiB}, 8 * GiB}}));
    CHECK(chunks_of(loaded) == Chunks{{{4 * GiB, 2 * GiB}, {8 * GiB, 1 * GiB}, {9 * GiB, 1 * GiB}}});
    const auto memory = loaded.loaded.plan.guests[0].memory;
    CHECK(memory[1].guest.value == 2 * GiB);
    CHECK(memory[2].guest.value == 4 * GiB);
}

TEST_CASE("Intents: ranges that cannot be") {
    const auto fault = [](std::string_view memory) {
        return Loaded(configuration({"memory = " + std::string(memory)}), machine_of({1})).faults();
    };
    CHECK(fault("[]") == "f:6:10: error: 'memory' is an empty list; a guest has at least 2 MiB\n");
    CHECK(fault("[5]").contains("6:11: error: a range of memory is a size and an address, such as"));
    CHECK(fault("['1 GiB']").contains("is a size and an address"));
    CHECK(fault("['1 GB at 4 GiB']").contains("there is no unit 'GB' here; write GiB"));
    CHECK(fault("['1 GiB at 0xfoo']").contains("'0xfoo' is no address"));
    CHECK(fault("['1 GiB at 0x']").contains("'0x' is no address"));
    CHECK(fault("['1 GiB at 0x10000000000000000']").contains("is no address"));
    CHECK(fault("['1 GiB at 4096']").contains("is a whole number and KiB, MiB or GiB"));
    CHECK(fault("['3 MiB at 4 GiB']").contains("must be a multiple of 2 MiB"));
    CHECK(fault("['2 MiB at 0x100000']").contains("begins at a multiple of 2 MiB"));
    CHECK(fault("['2 MiB at 0x0']").contains("begins at a multiple of 2 MiB"));
    CHECK(fault("['2 MiB at 0x10000000000000']").contains("begins at a multiple of 2 MiB"));
    CHECK(fault("['300 GiB at 4 GiB', '300 GiB at 400 GiB']").contains("must be 2 MiB to 511 GiB, not 600 GiB"));
    CHECK(fault("['2 MiB at 16 MiB', '4 MiB at 14 MiB']") ==
          "f:6:30: error: this range of memory overlaps the one in line 6, column 11\n"
          "f:6:30: error: 4 MiB at 0xe00000: not all of it is free; free for guests is: 1022 MiB at 0x1200000\n");
    CHECK(fault("['64 MiB at 0x3f000000']") ==
          "f:6:11: error: 64 MiB at 0x3f000000: not all of it is free; free for guests is: 1 GiB at 0x1000000\n");
}

TEST_CASE("Intents: ranges of two guests overlap") {
    CHECK(Loaded(configuration({"memory = ['4 MiB at 16 MiB']", "memory = ['4 MiB at 18 MiB']"})).faults() ==
          "f:10:11: error: this range of memory overlaps one of the guest 'a', in line 6\n");
}

TEST_CASE("Intents: the largest free ranges are named") {
    std::vector<PhysicalRange> memory;
    for (u64 i = 1; i <= 9; ++i)
        memory.push_back({{i * 100 * MiB}, (i == 5 ? 50 : 2 * i) * MiB});
    const Loaded loaded(configuration({"memory = ['2 MiB at 8 GiB']"}), FakeMachine::with_cores({1}, memory));
    CHECK(loaded.faults() == "f:6:11: error: 2 MiB at 0x200000000: not all of it is free; free for guests is: 8 MiB at "
                             "0x19000000, 50 MiB at 0x1f400000, 12 MiB at 0x25800000, 14 MiB at 0x2bc00000, 16 MiB at "
                             "0x32000000, 18 MiB at 0x38400000 and 3 more\n");
}

TEST_CASE("Intents: siblings of two guests need the switch") {
    CHECK(Loaded(configuration({cpus("[0]"), cpus("[1]")}), machine_of({2, 2})).faults() ==
          "f:12:9: error: CPU 1 of the guest 'b' is a sibling thread of CPU 0, which the guest 'a' has (line 7); two "
          "guests share a core only with 'allow-split-cores = true' below [hypervisor]\n");
    const std::string_view allowed = "allow-split-cores = true";
    CHECK(cpus_of(Loaded(configuration({cpus("[0]"), cpus("[1]")}, allowed), machine_of({2, 2}))) == Cpus{{0}, {1}});
    // A number of CPUs still gets whole cores, as long as there are some.
    CHECK(cpus_of(Loaded(configuration({cpus("1"), cpus("1")}, allowed), machine_of({2, 2, 2}))) == Cpus{{2}, {4}});
    CHECK(cpus_of(Loaded(configuration({cpus("1"), cpus("1"), cpus("2")}, allowed), machine_of({2, 2}))) ==
          Cpus{{2}, {1}, {0, 3}});
    CHECK(Loaded(configuration({cpus("3"), cpus("2")}, allowed), machine_of({2, 2})).faults() ==
          "f:12:8: error: this guest wants 2 CPUs; 1 is left for it of the 4 of this machine\n");
}

TEST_CASE("Intents: CPUs that share a cache") {
    const std::string share = std::string(small) + "cpus-share-cache = true\ncpus = ";
    FakeMachine machine = two_nodes();
    for (CpuInfo& cpu : machine.cpus)
        cpu.node = 0;
    machine.nodes.clear();
    // One that need not share leaves room for one that must, whatever their order.
    CHECK(cpus_of(Loaded(configuration({cpus("4"), share + "3"}), machine)) == Cpus{{4, 5, 6, 7}, {1, 2, 3}});
    CHECK(cpus_of(Loaded(configuration({share + "[4, 7]"}), machine)) == Cpus{{4, 7}});
    CHECK(
        Loaded(configuration({share + "5"}), machine).faults() ==
        "f:8:8: error: this guest wants 5 CPUs that share a cache ('cpus-share-cache'); at most 4 are left in one (no "
        "two guests get threads of one core)\n");
    CHECK(Loaded(configuration({share + "[2, 4]"}), machine).faults() ==
          "f:8:12: error: CPU 4 does not share a cache with CPU 2, as 'cpus-share-cache' in line 7 wants\n");
    // The smallest part that has enough.
    machine.cpus.push_back({.apic_id = 20, .core = 10, .cache = 3});
    CHECK(cpus_of(Loaded(configuration({share + "1"}), machine)) == Cpus{{8}});
}

TEST_CASE("Intents: CPUs and memory of one node where there is enough") {
    const auto with = [](std::string_view memory, std::string_view count) {
        return "memory = '" + std::string(memory) + "'\ncpus = " + std::string(count);
    };
    const Loaded small_ones(configuration({with("512 MiB", "2"), with("1 GiB", "4")}), two_nodes());
    CHECK(cpus_of(small_ones) == Cpus{{2, 3}, {4, 5, 6, 7}});
    CHECK(small_ones.plan() == "guest a: CPUs 2, 3 (APIC IDs 2, 3), 512 MiB at 0x1000000\n"
                               "guest b: CPUs 4, 5, 6, 7 (APIC IDs 4, 5, 6, 7), 1 GiB at 0x140000000\n"
                               "hypervisor: CPU 0 (APIC ID 0)\n");
    // What one node's memory has not, comes from anywhere, and is said.
    const Loaded large(configuration({with("6 GiB", "4")}), two_nodes());
    CHECK(large.faults().empty());
    CHECK(large.loaded.plan.guests[0].far_memory != 0);
    CHECK(large.plan().contains(" of it far from CPU 4)"));
    // Nor do more CPUs than a node has get one.
    const Loaded wide(configuration({with("512 MiB", "6")}), two_nodes());
    CHECK(wide.loaded.plan.guests[0].several_nodes);
    CHECK(wide.plan().contains(", of several NUMA nodes)"));
    // The node that has the memory, though it is not the smallest.
    FakeMachine uneven = two_nodes();
    uneven.nodes = {{{{0}, 8 * GiB}, 0}, {{{8 * GiB}, 1 * GiB}, 1}};
    CHECK(cpus_of(Loaded(configuration({with("2 GiB", "2")}, "service-cpu = 7"), uneven)) == Cpus{{2, 3}});
}

TEST_CASE("Intents: a listed range may be far, and that is said") {
    const Loaded loaded(configuration({"cpus = [0]\nmemory = ['256 MiB at 6 GiB']"}), two_nodes());
    CHECK(loaded.plan().contains("256 MiB at 0x180000000 (256 MiB of it far from CPU 0)\n"));
}

TEST_CASE("Intents: a SHA-256 is 64 digits and has a file") {
    const std::string digest(64, 'a');
    CHECK(Loaded(configuration({"memory = '64 MiB'\nkernel-sha256 = '" + digest + "'"}), machine_of({1})).right);
    CHECK(Loaded(configuration({"memory = '64 MiB'\nkernel-sha256 = '" + digest + "a'"}))
              .faults()
              .contains("7:17: error: 'kernel-sha256' cannot be '"));
    CHECK(Loaded(configuration({"memory = '64 MiB'\nkernel-sha256 = 'abc'"})).faults() ==
          "f:7:17: error: 'kernel-sha256' cannot be 'abc': a SHA-256 has 64 hexadecimal digits, as sha256sum prints "
          "them\n");
    CHECK(Loaded(configuration({"memory = '64 MiB'\ninitrd-sha256 = '" + digest + "'"})).faults() ==
          "f:7:17: error: there is no 'initrd' whose SHA-256 this could be\n");
    CHECK(Loaded(configuration(
                     {"memory = '64 MiB'\nmodules = ['initrd', 'vmlinuz']\nmodules-sha256 = ['" + digest + "']"}))
              .faults() == "f:8:19: error: there are 2 modules, and 1 SHA-256 for them\n");
}

TEST_CASE("Intents: what the guests can get at most") {
    const auto most = [](std::initializer_list<std::string_view> guests, u64 free) {
        return most_guest_memory(Loaded(configuration(guests)).loaded.configuration, free);
    };
    CHECK(most({"memory = '64 MiB'", "memory = ['2 MiB at 4 GiB']"}, GiB) == 66 * MiB);
    CHECK(most({"memory = '64 MiB'", "rest = true"}, GiB) == GiB);
    CHECK(most({"memory = '64 MiB'", "memory = '50%'"}, GiB) >= 64 * MiB + 512 * MiB);
    CHECK(most({"memory = '64 MiB'", "memory = '50%'"}, GiB) <= 64 * MiB + 512 * MiB + 100);
    CHECK(most({"memory = '2 GiB'"}, GiB) == GiB);
}
