// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "vmx/execution.hpp"

#include <catch2/catch_test_macros.hpp>

#include "fakes/page_walk.hpp"
#include "fakes/physical_memory.hpp"

using namespace bulkhead;

namespace {

constexpr u64 large = large_page_size;

/// 8 MiB without execute from 0 on, the legacy hole in it; 2 MiB of another kind of memory at 4 GiB; no page larger
/// than 2 MiB.
struct Guest {
    static constexpr u64 ram = 8 * MiB, high = 4 * GiB;
    static constexpr HostPhysical host{GiB}, high_host{8 * GiB};

    Guest() {
        REQUIRE(table.map({0}, host, ram, {read_write}));
        REQUIRE(table.map({high}, high_host, large, {read_write, MemoryKind::WriteCombining}));
        REQUIRE(table.unmap({0xa0000}, 0x40000));
        memory.history.clear();
    }

    bool make_executable(u64 address) { return vmx::make_executable(memory, spares, table.root(), address); }
    std::optional<Mapping> walk(u64 address) const { return fakes::walk<EptFormat>(memory, table.root(), address, 4); }
    /// What every address of ours leads to.
    std::vector<std::optional<Mapping>> all() const {
        std::vector<std::optional<Mapping>> mappings;
        for (u64 address = 0; address <= ram; address += page_size)
            mappings.push_back(walk(address));
        for (u64 address = high - page_size; address <= high + large; address += page_size)
            mappings.push_back(walk(address));
        return mappings;
    }

    fakes::PhysicalMemory memory{64};
    fakes::Frames frames{32};
    PageTable<EptFormat, fakes::PhysicalMemory, fakes::Frames> table =
        PageTable<EptFormat, fakes::PhysicalMemory, fakes::Frames>::create(memory, frames, {.huge_pages = false})
            .value();
    fakes::Frames& spares = frames; // one behind the other, as in the pool
};

} // namespace

TEST_CASE("execution: nothing is executable at first") {
    const Guest guest;
    for (const auto& mapping : guest.all())
        CHECK((!mapping || !mapping->rights.execute));
    CHECK(guest.walk(large)->size == large);
}

TEST_CASE("execution: a 2 MiB page becomes 512 executable ones, at once") {
    Guest guest;
    const u64 used = guest.frames.used();
    const auto before = guest.all();
    unsigned states = 0, changes = 0;
    guest.memory.observer = [&] {
        // The hardware may walk now: each page is the old one, or all of the large one are the new ones.
        ++states;
        const bool is_new = guest.walk(2 * large)->size == page_size;
        changes += is_new;
        for (u64 address = 2 * large; address < 3 * large; address += page_size) {
            const HostPhysical physical = Guest::host + address;
            const Mapping expected =
                is_new ? Mapping{physical, page_size, all_rights} : Mapping{physical, large, read_write};
            if (guest.walk(address) != expected)
                FAIL("after write " << states << " a walk to " << std::hex << address << " finds something else");
        }
    };
    CHECK(guest.make_executable(2 * large + 0x5abc));
    guest.memory.observer = nullptr;
    CHECK(states == 512 + 1);
    CHECK(changes == 1); // by the last write
    CHECK(guest.frames.used() == used + 1);
    const auto after = guest.all();
    for (u64 i = 0; i < after.size(); ++i)
        if (i / 512 != 2)
            CHECK(after[i] == before[i]);
}

TEST_CASE("execution: the kind of memory stays") {
    Guest guest;
    CHECK(guest.make_executable(Guest::high + large - 1));
    CHECK(guest.walk(Guest::high + 0x7123) ==
          Mapping{Guest::high_host + 0x7123, page_size, all_rights, MemoryKind::WriteCombining});
}

TEST_CASE("execution: of pages that are small already, one becomes executable") {
    Guest guest;
    const auto before = guest.all();
    const u64 used = guest.frames.used();
    CHECK(guest.make_executable(0x9fff8));
    CHECK(guest.memory.history.size() == 1);
    CHECK(guest.frames.used() == used);
    const auto after = guest.all();
    for (u64 i = 0; i < after.size(); ++i)
        if (i != 0x9f)
            CHECK(after[i] == before[i]);
    CHECK(after[0x9f] == Mapping{Guest::host + 0x9f000, page_size, all_rights});
}

TEST_CASE("execution: what is executable already stays so, and costs no table") {
    Guest guest;
    REQUIRE(guest.make_executable(0x1000));
    REQUIRE(guest.make_executable(large));
    const u64 used = guest.frames.used();
    const auto before = guest.all();
    CHECK(guest.make_executable(0x1fff)); // another CPU was first
    CHECK(guest.make_executable(large));
    CHECK(guest.make_executable(2 * large - 1));
    CHECK(guest.all() == before);
    CHECK(guest.frames.used() == used);
}

TEST_CASE("execution: where nothing is mapped, nothing is changed") {
    Guest guest;
    for (const u64 address : {u64{0xa0000}, u64{0xdffff}, Guest::ram, GiB, Guest::high - 1, Guest::high + large,
                              512 * GiB, (u64{1} << 48) - 1}) {
        INFO(std::hex << address);
        CHECK_FALSE(guest.make_executable(address));
    }
    CHECK(guest.memory.history.empty());
}

TEST_CASE("execution: without a spare table nothing is changed") {
    Guest guest;
    fakes::Frames none(0);
    CHECK_FALSE(vmx::make_executable(guest.memory, none, guest.table.root(), large));
    CHECK(guest.memory.history.empty());
    CHECK(vmx::make_executable(guest.memory, none, guest.table.root(), 0x1000)); // that is small already
}
