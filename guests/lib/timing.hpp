// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#pragma once

#include "guests/lib/cpu.hpp"

/// Comparing a clock with the TSC where the program may be held up at any instruction.
namespace bulkhead::guest {

/// A clock's value, and the TSC before and after it was read.
struct ClockReading {
    u64 before = 0;
    u64 value = 0;
    u64 after = 0;
};

template <typename F> ClockReading read_clock(F clock) {
    ClockReading reading;
    reading.before = rdtsc();
    reading.value = clock();
    reading.after = rdtsc();
    return reading;
}

/// Whether `ticks` of a clock of `clock_hz` can have passed between the two readings by a TSC of `tsc_rate` Hz, to one
/// part in 500.
inline bool agrees_with_tsc(u64 ticks, u64 clock_hz, const ClockReading& first, const ClockReading& last,
                            u64 tsc_rate) {
    const u64 by_clock = ticks * (tsc_rate / 1000) / (clock_hz / 1000);
    const u64 least = last.before - first.after;
    const u64 most = last.after - first.before;
    return by_clock + by_clock / 500 >= least && by_clock <= most + most / 500;
}

} // namespace bulkhead::guest
