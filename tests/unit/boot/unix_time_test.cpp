// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "boot/unix_time.hpp"

#include <ctime>

#include <catch2/catch_test_macros.hpp>

using namespace bulkhead;
using namespace bulkhead::boot;

TEST_CASE("every day from 1970 to 2400 is what the C library says") {
    for (std::time_t day = 0; day < 157'054; ++day) {
        const std::time_t seconds = day * 86'400 + 45'296;
        std::tm parts{};
        gmtime_r(&seconds, &parts);
        const CalendarTime time{.year = static_cast<u16>(parts.tm_year + 1900),
                                .month = static_cast<u8>(parts.tm_mon + 1),
                                .day = static_cast<u8>(parts.tm_mday),
                                .hour = static_cast<u8>(parts.tm_hour),
                                .minute = static_cast<u8>(parts.tm_min),
                                .second = static_cast<u8>(parts.tm_sec)};
        if (unix_seconds(time) != static_cast<u64>(seconds))
            FAIL(seconds);
    }
    SUCCEED();
}

TEST_CASE("the time zone is applied, an unknown one is UTC") {
    CalendarTime time{.year = 2026, .month = 11, .day = 21, .hour = 12};
    const u64 utc = unix_seconds(time);
    time.timezone = 60; // UEFI: UTC = local time + timezone
    CHECK(unix_seconds(time) == utc + 3600);
    time.timezone = -60;
    CHECK(unix_seconds(time) == utc - 3600);
    time.timezone = unspecified_timezone;
    CHECK(unix_seconds(time) == utc);
}

TEST_CASE("a clock that cannot be right is none") {
    CHECK(unix_seconds({}) == 0);
    CHECK(unix_seconds({.year = 1969, .month = 12, .day = 31}) == 0);
    CHECK(unix_seconds({.year = 2026, .month = 13, .day = 1}) == 0);
    CHECK(unix_seconds({.year = 2026, .month = 0, .day = 1}) == 0);
    CHECK(unix_seconds({.year = 2026, .month = 1, .day = 32}) == 0);
    CHECK(unix_seconds({.year = 2026, .month = 1, .day = 1, .hour = 24}) == 0);
    CHECK(unix_seconds({.year = 1970, .month = 1, .day = 1, .timezone = -1440}) == 0);
}
