// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "base/spsc_ring.hpp"

#include <catch2/catch_test_macros.hpp>

#include <thread>

using namespace bulkhead;

TEST_CASE("SpscRing gives bytes back in order and refuses what does not fit") {
    SpscRing<4> ring;
    CHECK(ring.empty());
    CHECK(ring.pop() == std::nullopt);
    for (u8 byte = 0; byte < 4; ++byte)
        CHECK(ring.push(byte));
    CHECK_FALSE(ring.push(99));
    CHECK(ring.size() == 4);
    for (u8 byte = 0; byte < 4; ++byte)
        CHECK(ring.pop() == byte);
    CHECK(ring.pop() == std::nullopt);
}

TEST_CASE("SpscRing stays right while its indices go round") {
    SpscRing<8> ring;
    for (u32 i = 0; i < 1000; ++i) {
        REQUIRE(ring.push(static_cast<u8>(i)));
        REQUIRE(ring.push(static_cast<u8>(i + 1)));
        REQUIRE(ring.pop() == static_cast<u8>(i));
        REQUIRE(ring.pop() == static_cast<u8>(i + 1));
    }
}

TEST_CASE("SpscRing loses nothing between two threads") {
    constexpr u32 count = 200'000;
    SpscRing<64> ring;
    std::thread producer([&] {
        for (u32 i = 0; i < count; ++i)
            while (!ring.push(static_cast<u8>(i * 7)))
                std::this_thread::yield();
    });
    u32 wrong = 0;
    for (u32 i = 0; i < count; ++i) {
        std::optional<u8> byte;
        while (!(byte = ring.pop()))
            std::this_thread::yield();
        wrong += *byte != static_cast<u8>(i * 7);
    }
    producer.join();
    CHECK(wrong == 0);
    CHECK(ring.empty());
}
