// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#pragma once

#include "base/types.hpp"

namespace bulkhead {

/// The ACPI power management timer (ACPI 6.5 4.8.2.1): 32 bits at 3.579545 MHz, derived from the time-stamp counter.
class PmTimer {
public:
    static constexpr u64 frequency_hz = 3'579'545;

    /// `tsc_khz` is at least 3580: the counter cannot be faster than what it is derived from. A PmTimer that was given
    /// less stands still.
    explicit constexpr PmTimer(u64 tsc_khz) : fraction_(fraction(tsc_khz * 1000)) {}

    /// The counter at `tsc`: tsc * 3.579545 MHz / TSC frequency, modulo 2^32.
    [[nodiscard]] constexpr u32 count(u64 tsc) const {
        return static_cast<u32>((static_cast<unsigned __int128>(tsc) * fraction_) >> 64);
    }

private:
    /// frequency_hz * 2^64 / tsc_hz, one bit at a time: a division of 128 bits would be a library call.
    static constexpr u64 fraction(u64 tsc_hz) {
        if (tsc_hz <= frequency_hz)
            return 0;
        u64 remainder = frequency_hz;
        u64 quotient = 0;
        for (int bit = 0; bit < 64; ++bit) {
            remainder <<= 1;
            quotient <<= 1;
            if (remainder >= tsc_hz) {
                remainder -= tsc_hz;
                quotient |= 1;
            }
        }
        return quotient;
    }

    u64 fraction_;
};

} // namespace bulkhead
