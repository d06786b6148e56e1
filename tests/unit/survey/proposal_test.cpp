// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// A proposal is a configuration that we take ourselves, and that fits the machine that it was made for.
#include <catch2/catch_test_macros.hpp>

#include "unit/survey/proposed.hpp"

using namespace bulkhead;
using survey::MemoryKind;

namespace {

std::unique_ptr<survey::Inventory> machine_of(std::initializer_list<u32> threads_of_cores, u64 memory) {
    auto inventory = test::new_inventory();
    u32 core = 0;
    for (const u32 threads : threads_of_cores) {
        for (u32 i = 0; i < threads; ++i)
            inventory->add(inventory->cpus, {.apic_id = core * 2 + i, .core = core}, "");
        ++core;
    }
    inventory->add(inventory->memory, {{{MiB}, memory}, MemoryKind::Free}, "");
    return inventory;
}

} // namespace

TEST_CASE("proposal: it is valid and fits the machine that it is for") {
    struct Machine {
        std::initializer_list<u32> cores;
        u64 memory;
        std::vector<u64> guests; ///< their CPUs
    };
    const Machine machines[] = {{{1}, 96 * MiB, {1}},
                                {{2}, 4 * GiB, {2}},
                                {{1, 1}, 900 * MiB, {1, 1}},
                                {{1, 1}, 200 * MiB, {2}},
                                {{2, 2, 2, 2}, 16 * GiB, {2, 4}},
                                {{2, 2, 2, 1, 1, 1, 1}, 16 * GiB, {3, 3}}, // cores of two kinds
                                {{1, 1, 1}, 4096 * GiB, {1, 1}}};
    for (const Machine& machine : machines) {
        const test::Proposed proposal(*machine_of(machine.cores, machine.memory));
        INFO(proposal.text);
        CHECK(proposal.faults == "");
        CHECK(proposal.guest_cpus == machine.guests);
        CHECK_NOTHROW(::toml::parse(proposal.text));
    }
}

TEST_CASE("proposal: it says why the machine cannot run it, and where its console is") {
    const auto inventory = machine_of({1, 1}, GiB);
    CHECK(test::Proposed(*inventory).text.contains("console-port = 0\n"));
    inventory->verdict = survey::Verdict::No;
    (void)inventory->reasons.push_back("a reason\nof two lines");
    inventory->add(inventory->serial, {.address = 0xfe00'0000, .is_16550 = true}, "");
    inventory->add(inventory->serial, {.io = true, .address = 0x2f8, .irq = 3, .is_16550 = true}, "");
    const test::Proposed proposal(*inventory);
    CHECK(proposal.text.contains("# This machine cannot run Bulkhead as it is:\n# a reason?of two lines\n"));
    CHECK(proposal.text.contains("console-port = 0x2f8\n"));
    CHECK(proposal.text.contains("console-irq = 3\n"));
    CHECK(proposal.faults == "");
}

TEST_CASE("summary: it fits a screen of 25 lines") {
    std::vector<char> room(8 * KiB);
    Text out(room);
    survey::write_summary(out, *machine_of({2, 2}, GiB));
    CHECK(std::ranges::count(out.view(), '\n') < 18);
    CHECK(out.view().find("4 CPUs, 2 cores, 1 package,") != std::string_view::npos);
    CHECK_FALSE(out.cut());
}
