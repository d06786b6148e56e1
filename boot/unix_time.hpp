// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#pragma once

#include "base/types.hpp"

namespace bulkhead::boot {

/// A calendar date and time as EFI_TIME has it (UEFI 2.10 8.3).
struct CalendarTime {
    u16 year = 0;     // 1900 to 9999
    u8 month = 0;     // 1 to 12
    u8 day = 0;       // 1 to 31
    u8 hour = 0;      // 0 to 23
    u8 minute = 0;    // 0 to 59
    u8 second = 0;    // 0 to 59
    i16 timezone = 0; ///< UTC = local time + timezone minutes; 2047: not known, taken as UTC
};

inline constexpr i16 unspecified_timezone = 0x7ff;

/// Seconds since 1970-01-01 UTC. 0: before 1970, or no possible date.
constexpr u64 unix_seconds(const CalendarTime& time) {
    if (time.year < 1970 || time.year > 9999 || time.month < 1 || time.month > 12 || time.day < 1 || time.day > 31 ||
        time.hour > 23 || time.minute > 59 || time.second > 59)
        return 0;
    // Years that begin in March put the leap day at their end.
    const u32 march_year = time.year - (time.month <= 2 ? 1u : 0u);
    const u32 march_month = (time.month + 9u) % 12;
    const u32 day_of_year = (153 * march_month + 2) / 5 + time.day - 1;
    const u64 days_since_year_0 = u64{march_year} * 365 + march_year / 4 - march_year / 100 + march_year / 400;
    constexpr u64 days_to_1970 = 719468; // from 0000-03-01
    const i64 days = static_cast<i64>(days_since_year_0 + day_of_year) - static_cast<i64>(days_to_1970);
    const bool has_zone = time.timezone >= -1440 && time.timezone <= 1440;
    const i64 minutes = (days * 24 + time.hour) * 60 + time.minute + (has_zone ? time.timezone : 0);
    const i64 seconds = minutes * 60 + time.second;
    return seconds < 0 ? 0 : static_cast<u64>(seconds);
}

static_assert(unix_seconds({.year = 1970, .month = 1, .day = 1}) == 0);
static_assert(unix_seconds({.year = 2000, .month = 3, .day = 1}) == 951868800);

} // namespace bulkhead::boot
