// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "base/spsc_ring.hpp"

#include <catch2/catch_test_macros.hpp>

#include <array>
#include <thread>

using namespace bulkhead;

TEST_CASE("SpscRing gives bytes back in order and refuses what does not fit") {
    SpscRing<4> ring;
    CHECK(ring.empty());
    CHECK(ring.pop() == std::nullopt);
    CHECK(ring.push("abc"));
    CHECK_FALSE(ring.push("de"));
    CHECK(ring.push("d"));
    CHECK_FALSE(ring.push("e"));
    CHECK(ring.push(""));
    CHECK(ring.size() == 4);
    for (const u8 byte : {'a', 'b', 'c', 'd'})
        CHECK(ring.pop() == byte);
    CHECK(ring.pop() == std::nullopt);
}

TEST_CASE("SpscRing stays right while its indices go round") {
    SpscRing<8> ring;
    for (u32 i = 0; i < 1000; ++i) {
        const std::array<char, 3> bytes{static_cast<char>(i), static_cast<char>(i + 1), static_cast<char>(i + 2)};
        REQUIRE(ring.push({bytes.data(), bytes.size()}));
        for (u32 k = 0; k < 3; ++k)
            REQUIRE(ring.pop() == static_cast<u8>(i + k));
    }
}

TEST_CASE("SpscRing loses nothing between two threads") {
    constexpr u32 count = 200'000;
    SpscRing<64> ring;
    std::thread producer([&] {
        for (u32 i = 0; i < count; i += 2) {
            const std::array<char, 2> bytes{static_cast<char>(i * 7), static_cast<char>(i * 7 + 7)};
            while (!ring.push({bytes.data(), bytes.size()}))
                std::this_thread::yield();
        }
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
