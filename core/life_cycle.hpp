// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// The lives of a guest: how each begins and ends, and what follows. Any CPU may ask; the guest's own cores do it, as
// only they have its memory. docs/life-cycle.md has the states.
#pragma once

#include <string_view>

#include "core/guest.hpp"

namespace bulkhead {

/// What a person may ask of a guest.
enum class GuestOperation : u8 { Start, Pause, Resume, Shutdown, Stop, Restart, Destroy };

/// Carries it out, or has the guest's cores do so: they may still be at it on return. Answers why it cannot be, or
/// nothing. Not with a lock held.
[[nodiscard]] std::string_view perform(Guest& guest, GuestOperation operation);

/// "running", "paused", ...: for a person.
[[nodiscard]] std::string_view state_of(const Guest& guest) BULKHEAD_REQUIRES(guest.life_lock);

/// From its start until the last of its cores has left it and what follows is decided.
[[nodiscard]] bool is_alive(const Guest& guest) BULKHEAD_REQUIRES(guest.life_lock);

/// Begins a life of a guest that is off: its cores are told. Before Machine::go they find it when they start.
void launch(Guest& guest) BULKHEAD_REQUIRES(guest.life_lock);

/// On the core of the guest's first vCPU, in a life that has just begun: memory and devices as they are at the start.
/// Nothing: the loader found something wrong with the guest, or what it starts from has decayed; that is reported.
std::optional<EntryState> renew(Vcpu& first);

/// On that core too: nothing of the guest is left in its memory.
void scrub(Guest& guest);

/// The guest's life is to end: tells its cores. `self`, unless there is none, is the caller's own: it is parked and
/// calls leave_guest() without being told. The first reason counts.
void begin_stop(Guest& guest, StopReason reason, const Vcpu* self);

/// Whether the life that `vcpu`, the caller's own, takes part in is to end. What told the core so may be of the life
/// before.
[[nodiscard]] bool is_to_leave(const Vcpu& vcpu);

/// A core has left its guest. The last one reports the guest as off, and decides what follows.
void leave_guest(Vcpu& vcpu);

/// The guest is about to execute its first instruction: the time of its watchdog, if that runs from the start, begins,
/// and the service CPU hears of the last of those that start by themselves.
void note_entry(Guest& guest);

/// The guest's accesses to its watchdog (devices/watchdog.hpp), of 4 bytes.
u32 read_watchdog(Guest& guest, u16 port);
void write_watchdog(Guest& guest, u16 port, u32 value);

/// Guest::deadline has come, or not yet: the watchdog's, or that of a restart which was put off.
void expire(Guest& guest);

/// Whether no guest runs, nor will by itself.
[[nodiscard]] bool all_guests_off();

} // namespace bulkhead
