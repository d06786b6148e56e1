// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "devices/watchdog.hpp"

#include <catch2/catch_test_macros.hpp>

using namespace bulkhead;

namespace {

constexpr u16 timeout = 0x610;
constexpr u16 left = 0x614;
constexpr u16 control = 0x618;

} // namespace

TEST_CASE("Watchdog: stopped until the guest starts it, where nobody else did") {
    Watchdog watchdog;
    watchdog.reset(0, false);
    CHECK(watchdog.read(control, 7) == 0);
    CHECK(watchdog.read(timeout, 7) == 30'000);
    CHECK(watchdog.read(left, 7) == 30'000); // not what somebody else's deadline has left

    CHECK(watchdog.write(timeout, 1500) == std::nullopt);
    CHECK(watchdog.write(control, 1) == 1500u);
    CHECK(watchdog.read(control, 1400) == 1);
    CHECK(watchdog.read(left, 1400) == 1400);
    CHECK(watchdog.read(timeout, 1400) == 1500);
}

TEST_CASE("Watchdog: it runs from the start where it is told to") {
    Watchdog watchdog;
    watchdog.reset(60'000, false);
    CHECK(watchdog.read(control, 0) == 1);
    CHECK(watchdog.read(timeout, 0) == 60'000);
    CHECK(watchdog.write(control, 1) == 60'000u);
}

TEST_CASE("Watchdog: it is fed by RUN or by a new time-out, and stopped by neither") {
    Watchdog watchdog;
    watchdog.reset(100, false);
    CHECK(watchdog.write(control, 1) == 100u);
    CHECK(watchdog.write(control, 1) == 100u);
    CHECK(watchdog.write(timeout, 200) == 200u);
    CHECK(watchdog.write(control, 0) == 0u);
    CHECK(watchdog.write(timeout, 300) == std::nullopt);
    CHECK(watchdog.read(control, 0) == 0);
    CHECK(watchdog.write(control, 0) == 0u);
    CHECK(watchdog.write(control, 1) == 300u);
}

TEST_CASE("Watchdog: a time-out of 0 is the shortest, not none") {
    Watchdog watchdog;
    watchdog.reset(100, false);
    CHECK(watchdog.write(timeout, 0) == 1u);
    CHECK(watchdog.write(control, 1) == 1u);
    CHECK(watchdog.write(timeout, ~0u) == ~0u);
}

TEST_CASE("Watchdog: it remembers that it expired until that is cleared") {
    Watchdog watchdog;
    watchdog.reset(0, true);
    CHECK(watchdog.read(control, 0) == 2);
    CHECK(watchdog.write(control, 1) == 30'000u);
    CHECK(watchdog.read(control, 0) == 3);
    CHECK(watchdog.write(control, 3) == 30'000u); // read, change, write: as a driver does
    CHECK(watchdog.read(control, 0) == 1);
    CHECK(watchdog.write(control, 2) == 0u); // nothing to clear, and it does not set the bit
    CHECK(watchdog.read(control, 0) == 0);
    watchdog.reset(0, false);
    CHECK(watchdog.read(control, 0) == 0);
}

TEST_CASE("Watchdog: all else is no register") {
    Watchdog watchdog;
    watchdog.reset(100, true);
    for (u16 port = 0x600; port < 0x630; ++port) {
        if (port == timeout || port == left || port == control)
            continue;
        CHECK(watchdog.read(port, 50) == ~0u);
        CHECK(watchdog.write(port, 0) == std::nullopt);
    }
    CHECK(watchdog.write(left, 0) == std::nullopt);
    CHECK(watchdog.read(control, 0) == 3);
    CHECK(watchdog.read(left, 50) == 50);
}
