// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "mm/frame_allocator.hpp"

#include <catch2/catch_test_macros.hpp>

#include "fakes/physical_memory.hpp"

using namespace bulkhead;

TEST_CASE("FrameAllocator hands out each frame once, aligned, and counts what it skipped") {
    FrameAllocator allocator({{0x201000}, 16 * page_size});
    CHECK(allocator.available() == 16 * page_size);
    CHECK(allocator.allocate().value() == HostPhysical{0x201000});
    CHECK(allocator.allocate(2, 4 * page_size).value() == HostPhysical{0x204000});
    CHECK(allocator.used() == 5 * page_size);
    CHECK(allocator.allocate(11).value() == HostPhysical{0x206000});
    CHECK(allocator.available() == 0);
    CHECK_FALSE(allocator.allocate());
    CHECK(allocator.used() == 16 * page_size);
}

TEST_CASE("FrameAllocator uses whole frames of its pool only") {
    CHECK(FrameAllocator({{0x1001}, 2 * page_size}).available() == page_size);
    CHECK(FrameAllocator({{0x1001}, 2 * page_size}).allocate().value() == HostPhysical{0x2000});
    CHECK(FrameAllocator({{0x1001}, 0x10}).available() == 0);
    CHECK(FrameAllocator({{0x1000}, 0xfff}).available() == 0);
    CHECK(FrameAllocator({{~u64{0} - 0x1fff}, 0x3000}).available() == 0);
    CHECK(FrameAllocator().available() == 0);
}

TEST_CASE("FrameAllocator refuses what it cannot do and is left as it was") {
    FrameAllocator allocator({{0x201000}, 4 * page_size});
    CHECK_FALSE(allocator.allocate(0));
    CHECK_FALSE(allocator.allocate(5));
    CHECK_FALSE(allocator.allocate(1, 0));
    CHECK_FALSE(allocator.allocate(1, 0x800));
    CHECK_FALSE(allocator.allocate(1, 0x3000));
    CHECK_FALSE(allocator.allocate(1, u64{1} << 63));
    CHECK_FALSE(allocator.allocate(~u64{0} / page_size + 2)); // wraps to two frames if multiplied
    CHECK_FALSE(allocator.allocate(~u64{0}));
    CHECK(allocator.used() == 0);
}

TEST_CASE("FrameAllocator is closed by its seal") {
    FrameAllocator allocator({{0x201000}, 4 * page_size});
    REQUIRE(allocator.allocate());
    allocator.seal();
    CHECK_FALSE(allocator.allocate());
    CHECK(allocator.used() == page_size);
}
