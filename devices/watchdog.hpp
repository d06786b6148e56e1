// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#pragma once

#include <optional>

#include "base/types.hpp"
#include "devices/platform.hpp"

namespace bulkhead {

/// The guest's watchdog: three registers of 32 bits at platform::watchdog_port, that the WDAT describes, so that a
/// stock system's driver for that table serves it. It knows its time-out; the deadline is its owner's.
///
///     +0  time-out in milliseconds. A write while the watchdog runs feeds it as well
///     +4  milliseconds that are left; the time-out while it is stopped. Read-only
///     +8  bit 0, RUN: written as 1 it starts or feeds the watchdog, as 0 it stops it
///         bit 1, EXPIRED: the guest was ended by it last time. Writing 1 clears the bit
class Watchdog {
public:
    static constexpr u32 RUN = 1 << 0;
    static constexpr u32 EXPIRED = 1 << 1;
    static constexpr u32 standard_timeout = 30'000; ///< milliseconds

    /// As at the guest's start: it runs with this time-out (milliseconds), or, with 0, not.
    void reset(u32 timeout, bool expired);

    /// `port`: where an access of 4 bytes begins; what is no register reads as all ones. `left`: milliseconds to the
    /// deadline, where there is one.
    [[nodiscard]] u32 read(u16 port, u32 left) const;
    /// The new deadline: so many milliseconds from now on, 0 for none; nothing where it stays.
    [[nodiscard]] std::optional<u32> write(u16 port, u32 value);

private:
    u32 timeout_ = standard_timeout;
    bool running_ = false;
    bool expired_ = false;
};

} // namespace bulkhead
