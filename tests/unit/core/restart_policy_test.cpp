// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "core/restart_policy.hpp"

#include <catch2/catch_test_macros.hpp>

namespace bulkhead {
namespace {

constexpr u64 short_life = 100;

TEST_CASE("A guest that ends for the first time starts again at once") {
    RestartCount count;
    CHECK(count.next(short_life, 10, 1000) == 0);
}

TEST_CASE("Each further short life doubles the wait, up to a minute") {
    RestartCount count;
    CHECK(count.next(short_life, 0, 1000) == 0);
    for (u64 wait = 1000; wait < RestartCount::longest_delay; wait *= 2)
        CHECK(count.next(short_life, 0, 1000) == wait);
    for (unsigned i = 0; i < 100; ++i)
        CHECK(count.next(short_life, 0, 1000) == RestartCount::longest_delay);
}

TEST_CASE("Without a delay each restart comes at once") {
    RestartCount count;
    for (unsigned i = 0; i < 100; ++i)
        CHECK(count.next(short_life, 0, 0) == 0);
}

TEST_CASE("After so many restarts in a row it stays off") {
    RestartCount count;
    for (unsigned i = 0; i < 3; ++i)
        CHECK(count.next(short_life, 3, 0).has_value());
    CHECK_FALSE(count.next(short_life, 3, 0).has_value());
    CHECK_FALSE(count.next(short_life, 3, 0).has_value());
}

TEST_CASE("A long life, or somebody who starts it, begins a new row") {
    RestartCount count;
    CHECK(count.next(short_life, 2, 1000) == 0);
    CHECK(count.next(short_life, 2, 1000) == 1000);
    SECTION("a long life") { CHECK(count.next(RestartCount::short_life, 2, 1000) == 0); }
    SECTION("somebody who starts it") {
        count.clear();
        CHECK(count.next(short_life, 2, 1000) == 0);
    }
    CHECK(count.next(RestartCount::short_life - 1, 2, 1000) == 1000);
    CHECK_FALSE(count.next(RestartCount::short_life - 1, 2, 1000).has_value());
}

} // namespace
} // namespace bulkhead
