// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// Timeouts. Every core and every local timer is a guest's, and an idle guest never exits: so a timer of the machine's
// interrupts by NMI, while a timeout is pending and at no other time.
#pragma once

#include "core/guest.hpp"

namespace bulkhead {

/// On the service CPU, while booting: takes the HPET, else the PIT. Without either timeouts do not work.
void start_clock();

/// A deadline (Guest::deadline) has changed, or has come: from here on the clock rings for the earliest that there is,
/// on that guest's first core, or never. Perhaps early: a long time is done in steps. Any CPU; it takes no lock of a
/// guest's. False: there is no clock.
bool rearm_clock();

/// On the service CPU, which has served `since`, a time of the TSC, and has more to do: it comes back to that a millisecond
/// later than when its guest has had as much time for itself. At once where none runs on it, or there is no clock.
void serve_again(u64 since);

/// Whether the clock has rung for this core, once for each time. Who is told handles what is due and rearms it.
[[nodiscard]] bool clock_rings(const Vcpu& core);

/// After a failure on this CPU: its lock. Whether it had it, and has left the clock half armed: rearm_clock() arms it
/// anew.
bool give_up_clock_lock();

/// What is due is over; then rearms the clock. `core`: the caller's.
void expire_timeouts(const Vcpu& core);

/// What a core, the caller's, does for all guests: timeouts for which the clock has rung, and the consoles if they are
/// its. Who is at work for long calls it now and then.
void serve_others(const Vcpu& core);

} // namespace bulkhead
