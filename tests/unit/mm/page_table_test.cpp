// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "mm/page_table.hpp"

#include <catch2/catch_template_test_macros.hpp>
#include <catch2/catch_test_macros.hpp>

#include "fakes/page_walk.hpp"
#include "fakes/physical_memory.hpp"

using namespace bulkhead;

namespace {

constexpr Attributes ram{all_rights};

template <class Format> struct Machine {
    using Table = PageTable<Format, fakes::PhysicalMemory, fakes::Frames>;

    explicit Machine(PagingCapabilities c = {.huge_pages = true}, u64 frame_count = 64)
        : frames(frame_count), capabilities(c), table(Table::create(memory, frames, c).value()) {}

    std::optional<Mapping> walk(u64 address) const {
        return fakes::walk<Format>(memory, table.root(), address, capabilities.levels);
    }
    u64 page_size_at(u64 address) const {
        const auto mapping = walk(address);
        return mapping ? mapping->size : 0;
    }

    fakes::PhysicalMemory memory{64};
    fakes::Frames frames;
    PagingCapabilities capabilities;
    Table table;
};

/// All a walk can say, from the walker itself and from the independent one.
template <class M> std::optional<Mapping> agreed(const M& machine, u64 address) {
    const auto mapping = machine.table.lookup({address});
    CHECK(mapping == machine.walk(address));
    return mapping;
}

} // namespace

TEMPLATE_TEST_CASE("PageTable maps with the largest pages that fit", "", HostFormat, NptFormat, EptFormat) {
    Machine<TestType> machine;
    CHECK_FALSE(agreed(machine, 0));
    // 4 KiB short of 2 MiB below 1 GiB, up to 4 KiB beyond 2 MiB above 2 GiB.
    const u64 start = GiB - 2 * MiB - page_size, end = 2 * GiB + 2 * MiB + page_size;
    CHECK(machine.table.map({start}, {start + 8 * GiB}, end - start, ram) == TlbFlush::NotNeeded);
    CHECK_FALSE(agreed(machine, start - 1));
    CHECK(agreed(machine, start)->size == page_size);
    CHECK(agreed(machine, GiB - 1)->size == large_page_size);
    CHECK(agreed(machine, GiB)->size == huge_page_size);
    CHECK(agreed(machine, 2 * GiB - 1)->physical == HostPhysical{10 * GiB - 1});
    CHECK(agreed(machine, 2 * GiB)->size == large_page_size);
    CHECK(agreed(machine, end - 1) == Mapping{{end - 1 + 8 * GiB}, page_size, all_rights, MemoryKind::WriteBack});
    CHECK_FALSE(agreed(machine, end));
    CHECK(machine.frames.used() == 1 + 1 + 2 + 2);
}

TEMPLATE_TEST_CASE("PageTable uses no 1 GiB page where the CPU has none", "", HostFormat, NptFormat, EptFormat) {
    Machine<TestType> machine({.huge_pages = false});
    REQUIRE(machine.table.map({GiB}, {4 * GiB}, GiB, ram));
    CHECK(agreed(machine, GiB)->size == large_page_size);
    CHECK(agreed(machine, 2 * GiB - 1)->physical == HostPhysical{5 * GiB - 1});
}

TEMPLATE_TEST_CASE("PageTable's page size follows the alignment of both addresses", "", NptFormat, EptFormat) {
    Machine<TestType> machine;
    REQUIRE(machine.table.map({0}, {2 * MiB}, GiB, ram)); // the host's side is not aligned to 1 GiB
    CHECK(agreed(machine, 0)->size == large_page_size);
    REQUIRE(machine.table.map({4 * GiB}, {page_size}, 2 * MiB, ram));
    CHECK(agreed(machine, 4 * GiB)->size == page_size);
}

TEMPLATE_TEST_CASE("PageTable expresses all rights and kinds of memory", "", HostFormat, NptFormat, EptFormat) {
    Machine<TestType> machine;
    u64 address = 0;
    for (const u64 size : {page_size, large_page_size, huge_page_size})
        for (const Rights rights : {read_only, read_write, read_execute, all_rights})
            for (const MemoryKind kind : {MemoryKind::WriteBack, MemoryKind::Uncached, MemoryKind::WriteCombining}) {
                REQUIRE(machine.table.map({address}, {address}, size, {rights, kind}));
                CHECK(agreed(machine, address) == Mapping{{address}, size, rights, kind});
                address += GiB;
            }
    CHECK_FALSE(machine.table.map({0}, {0}, page_size, {{.write = true}}));
    CHECK_FALSE(machine.table.map({0}, {0}, page_size, {{.execute = true}}));
    CHECK_FALSE(machine.table.map({0}, {0}, page_size, {}));
}

TEMPLATE_TEST_CASE("PageTable makes a hole in the first 2 MiB of a guest", "", NptFormat, EptFormat) {
    Machine<TestType> machine;
    REQUIRE(machine.table.map({0}, {GiB}, GiB, ram));
    CHECK(machine.page_size_at(0) == huge_page_size);
    CHECK(machine.table.unmap({0xa0000}, 0x40000) == TlbFlush::Needed);
    CHECK(agreed(machine, 0x9ffff) == Mapping{{GiB + 0x9ffff}, page_size, all_rights, MemoryKind::WriteBack});
    CHECK_FALSE(agreed(machine, 0xa0000));
    CHECK_FALSE(agreed(machine, 0xdffff));
    CHECK(agreed(machine, 0xe0000)->physical == HostPhysical{GiB + 0xe0000});
    CHECK(agreed(machine, 2 * MiB)->size == large_page_size);
    CHECK(agreed(machine, GiB - 1)->physical == HostPhysical{2 * GiB - 1});
    CHECK(machine.frames.used() == 4);
    CHECK(machine.table.unmap({0xa0000}, 0x40000) == TlbFlush::NotNeeded);
    // The hole is filled again without a frame, from somewhere else.
    CHECK(machine.table.map({0xa0000}, {7 * GiB}, 0x40000, ram) == TlbFlush::NotNeeded);
    CHECK(machine.frames.used() == 4);
}

TEST_CASE("PageTable fills a table before it links it, and splits with one store") {
    Machine<NptFormat> machine;
    REQUIRE(machine.table.map({0}, {GiB}, 2 * MiB, ram));
    const u64 before = machine.memory.read(machine.table.root());
    machine.memory.history.clear();
    REQUIRE(machine.table.unmap({0x1000}, page_size));
    const auto& history = machine.memory.history;
    const HostPhysical new_table = fakes::PhysicalMemory::base + 3 * page_size;
    REQUIRE(history.size() == 512 + 2);
    for (u64 i = 0; i < 512; ++i) {
        REQUIRE(history[i].address == new_table + 8 * i);
        REQUIRE(history[i].value == NptFormat::leaf({GiB + i * page_size}, 0, ram));
    }
    CHECK(history[512].address == fakes::PhysicalMemory::base + 2 * page_size);
    CHECK(history[512].value == NptFormat::table(new_table, 1));
    CHECK(history[513].address == new_table + 8);
    CHECK(history[513].value == 0);
    CHECK(machine.memory.read(machine.table.root()) == before);
}

TEMPLATE_TEST_CASE("PageTable changes rights without touching the rest", "", HostFormat, NptFormat, EptFormat) {
    Machine<TestType> machine;
    REQUIRE(machine.table.map({0}, {GiB}, 4 * MiB, {all_rights, MemoryKind::WriteCombining}));
    CHECK(machine.table.protect({2 * MiB - page_size}, 2 * page_size, read_only) == TlbFlush::Needed);
    CHECK(agreed(machine, 2 * MiB - 2 * page_size)->rights == all_rights);
    CHECK(agreed(machine, 2 * MiB - 1) ==
          Mapping{{GiB + 2 * MiB - 1}, page_size, read_only, MemoryKind::WriteCombining});
    CHECK(agreed(machine, 2 * MiB)->rights == read_only);
    CHECK(agreed(machine, 2 * MiB + page_size)->rights == all_rights);
    machine.memory.history.clear();
    CHECK(machine.table.protect({2 * MiB - page_size}, 2 * page_size, read_only) == TlbFlush::NotNeeded);
    CHECK_FALSE(machine.table.protect({4 * MiB - page_size}, 2 * page_size, read_only)); // half of it is a hole
    CHECK_FALSE(machine.table.protect({0}, page_size, {.write = true}));
    CHECK(machine.memory.history.empty());
}

TEMPLATE_TEST_CASE("PageTable replaces small pages by a large one", "", HostFormat, NptFormat, EptFormat) {
    Machine<TestType> machine;
    REQUIRE(machine.table.map({page_size}, {GiB}, page_size, {read_only}));
    CHECK(machine.table.map({0}, {2 * GiB}, 2 * MiB, ram) == TlbFlush::Needed);
    CHECK(agreed(machine, page_size) ==
          Mapping{{2 * GiB + page_size}, large_page_size, all_rights, MemoryKind::WriteBack});
    machine.memory.history.clear();
    CHECK(machine.table.map({0}, {2 * GiB}, 2 * MiB, ram) == TlbFlush::NotNeeded);
    CHECK(machine.memory.history.empty());
}

TEMPLATE_TEST_CASE("PageTable refuses hostile addresses and sizes, and writes nothing", "", HostFormat, NptFormat,
                   EptFormat) {
    Machine<TestType> machine({.huge_pages = true, .physical_bits = 40});
    REQUIRE(machine.table.map({0}, {0}, page_size, ram));
    machine.memory.history.clear();
    const auto refused = [&](u64 address, u64 physical, u64 size) {
        CAPTURE(address, physical, size);
        CHECK_FALSE(machine.table.map({address}, {physical}, size, ram));
        if (physical == 0) {
            CHECK_FALSE(machine.table.unmap({address}, size));
            CHECK_FALSE(machine.table.protect({address}, size, read_only));
        }
    };
    constexpr u64 max = ~u64{0};
    refused(0, 0, 0);
    refused(1, 0, page_size);
    refused(0, 0, page_size - 1);
    refused(0, 1, page_size);
    refused(page_size, 0, max - page_size + 1); // ends at 2^64
    refused(0, 0, max - page_size + 1);
    refused(0x2000, 0, max & ~0xfff);
    refused(u64{1} << 63, 0, page_size);
    refused(u64{1} << 62, 0, page_size);
    const u64 bits = TestType::sign_extended ? 47 : 48;
    refused((u64{1} << bits) - page_size, 0, 2 * page_size);
    refused(u64{1} << bits, 0, page_size);
    refused(0, u64{1} << 40, page_size);
    refused(0, (u64{1} << 40) - page_size, 2 * page_size);
    refused(0, max & ~0xfff, page_size);
    CHECK(machine.memory.history.empty());
    CHECK(machine.table.map({(u64{1} << bits) - page_size}, {(u64{1} << 40) - page_size}, page_size, ram));
    CHECK_FALSE(machine.table.lookup({max >> 1}));
}

TEST_CASE("PageTable maps the hypervisor's half, up to the last byte of the address space") {
    Machine<HostFormat> machine;
    const u64 image = 0xffffffff80000000, last = ~u64{0} - page_size + 1;
    REQUIRE(machine.table.map({image}, {2 * MiB}, 2 * MiB, {read_execute}));
    REQUIRE(machine.table.map({last}, {page_size}, page_size, {read_write}));
    CHECK(agreed(machine, image)->size == large_page_size);
    CHECK(agreed(machine, ~u64{0})->physical == HostPhysical{2 * page_size - 1});
    CHECK_FALSE(machine.table.lookup({image & 0x0000ffffffffffff})); // the walk would find it, the CPU faults before
    CHECK_FALSE(machine.table.map({0x00007ffffffff000}, {0}, 0xffff800000002000 - 0x00007ffffffff000, ram));
    CHECK(machine.table.unmap({0xffff800000000000}, u64{1} << 47) == TlbFlush::Needed);
    CHECK_FALSE(agreed(machine, ~u64{0}));
    CHECK_FALSE(agreed(machine, image));
}

TEMPLATE_TEST_CASE("PageTable takes five levels", "", HostFormat, NptFormat, EptFormat) {
    Machine<TestType> machine({.levels = 5, .huge_pages = true});
    const u64 address = u64{1} << 50;
    REQUIRE(machine.table.map({address}, {GiB}, page_size, ram));
    CHECK(agreed(machine, address)->physical == HostPhysical{GiB});
    CHECK_FALSE(machine.table.map({u64{1} << 57}, {GiB}, page_size, ram));
    CHECK(machine.frames.used() == 5);
}

TEST_CASE("PageTable says when it has no frame left, and keeps what it has") {
    Machine<EptFormat> machine({.huge_pages = true}, 4);
    REQUIRE(machine.table.map({0}, {GiB}, 2 * MiB, {all_rights}));
    REQUIRE(machine.table.unmap({0}, page_size)); // the fourth frame
    CHECK_FALSE(machine.table.map({GiB}, {GiB}, page_size, ram));
    CHECK(agreed(machine, page_size)->physical == HostPhysical{GiB + page_size});
    CHECK(machine.table.map({0}, {5 * GiB}, page_size, ram));
    fakes::Frames none(0);
    CHECK_FALSE(Machine<EptFormat>::Table::create(machine.memory, none, {}));
}
