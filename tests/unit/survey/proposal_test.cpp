// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// A proposal is a configuration that we take ourselves, and that fits the machine that it was made for.
#include <catch2/catch_test_macros.hpp>

#include "survey/proposal.hpp"
#include "unit/config/loaded.hpp"
#include "unit/survey/written.hpp"

using namespace bulkhead;
using survey::MemoryKind;

namespace {

struct Proposal {
    Proposal(std::initializer_list<u32> threads_of_cores, u64 memory) {
        u32 core = 0;
        for (const u32 threads : threads_of_cores) {
            for (u32 i = 0; i < threads; ++i)
                inventory->add(inventory->cpus, {.apic_id = core * 2 + i, .core = core}, "");
            ++core;
        }
        inventory->add(inventory->memory, {{{MiB}, memory}, MemoryKind::Free}, "");
        std::vector<char> room(survey::proposal_text_size);
        text = survey::write_proposal(*inventory, room);
    }

    /// Places it on the machine; what is wrong with it.
    std::string faults() {
        const std::vector<CpuInfo> cpus(inventory->cpus.begin(), inventory->cpus.end());
        std::vector<PhysicalRange> memory;
        for (const auto& piece : inventory->memory)
            memory.push_back(piece.range);
        test::FakeFiles files;
        files.sizes = {{"vmlinuz", MiB}, {"initrd", MiB}};
        test::Loaded loaded(text, test::FakeMachine{cpus, memory}, files);
        for (const auto& guest : loaded.loaded.configuration.guests)
            guest_cpus.push_back(guest.cpus.count);
        return loaded.faults();
    }

    std::unique_ptr<survey::Inventory> inventory = test::new_inventory();
    std::string text;
    std::vector<u64> guest_cpus;
};

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
        Proposal proposal(machine.cores, machine.memory);
        INFO(proposal.text);
        CHECK(proposal.faults() == "");
        CHECK(proposal.guest_cpus == machine.guests);
        CHECK_NOTHROW(::toml::parse(proposal.text));
    }
}

TEST_CASE("proposal: it says why the machine cannot run it, and where its console is") {
    Proposal proposal({1, 1}, GiB);
    CHECK(proposal.text.find("console-port = 0\n") != std::string::npos);
    proposal.inventory->verdict = survey::Verdict::No;
    (void)proposal.inventory->reasons.push_back("a reason\nof two lines");
    proposal.inventory->add(proposal.inventory->serial, {.address = 0xfe00'0000, .is_16550 = true}, "");
    proposal.inventory->add(proposal.inventory->serial, {.io = true, .address = 0x2f8, .irq = 3, .is_16550 = true}, "");
    std::vector<char> room(survey::proposal_text_size);
    proposal.text = survey::write_proposal(*proposal.inventory, room);
    CHECK(proposal.text.find("# This machine cannot run Bulkhead as it is:\n# a reason?of two lines\n") !=
          std::string::npos);
    CHECK(proposal.text.find("console-port = 0x2f8\n") != std::string::npos);
    CHECK(proposal.text.find("console-irq = 3\n") != std::string::npos);
    CHECK(proposal.faults() == "");
}

TEST_CASE("summary: it fits a screen of 25 lines") {
    const Proposal proposal({2, 2}, GiB);
    std::vector<char> room(8 * KiB);
    Text out(room);
    survey::write_summary(out, *proposal.inventory);
    CHECK(std::ranges::count(out.view(), '\n') < 18);
    CHECK(out.view().find("4 CPUs, 2 cores, 1 package,") != std::string_view::npos);
    CHECK_FALSE(out.cut());
}
