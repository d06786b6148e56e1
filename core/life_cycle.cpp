// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "core/life_cycle.hpp"

#include "core/clock.hpp"
#include "core/console.hpp"
#include "core/failure.hpp"
#include "core/guest_builder.hpp"
#include "core/handlers.hpp"
#include "core/machine.hpp"

namespace bulkhead {

namespace {

/// What a guest's end is called, and what it makes of the guest.
struct End {
    std::string_view name;
    GuestState state;
    bool restarts_as_it_is_set; ///< by on-crash where it failed, else by on-reboot
};

/// By StopReason.
constexpr auto ends = std::to_array<End>({
    {"still running", GuestState::Running, false},                  // None
    {"powered off", GuestState::Stopped, false},                    // PowerOff
    {"reset", GuestState::Stopped, true},                           // Reset
    {"failed", GuestState::Failed, true},                           // Failed
    {"failed", GuestState::Failed, false},                          // Unstartable: the next time would be no better
    {"failed: its watchdog was not fed", GuestState::Failed, true}, // Watchdog
    {"stopped", GuestState::Stopped, false},                        // Stopped
    {"stopped, to be restarted", GuestState::Stopped, false},       // Restarted
    {"destroyed", GuestState::Stopped, false},                      // Destroyed, and Loaded when its memory is cleared
});
static_assert(ends.size() == static_cast<u32>(StopReason::Destroyed) + 1);
End end_of(StopReason reason) { return ends[static_cast<u32>(reason)]; }

/// What it was is not cleared from its memory yet.
bool is_destroyed(const Guest& guest) BULKHEAD_REQUIRES(guest.life_lock) {
    return guest.state == GuestState::Stopped && guest.stop_reason == StopReason::Destroyed;
}

u64 milliseconds_since(u64 tsc) { return (arch::read_tsc() - tsc) / machine.boot.clocks.tsc_khz; }

void set_deadline(Guest& guest, u64 milliseconds) {
    const u64 deadline = milliseconds == 0 ? 0 : arch::read_tsc() + milliseconds * machine.boot.clocks.tsc_khz;
    const u64 before = guest.deadline.exchange(deadline);
    // A later one is found when the clock rings for the one before: who feeds a watchdog takes no lock that others
    // need.
    if (before == 0 ? deadline != 0 : deadline < before)
        rearm_clock();
}

/// The guest's clocks are 0 from here.
void start_clocks(Guest& guest) BULKHEAD_REQUIRES(guest.life_lock) {
    const PvClockScale scale = pvclock_scale(machine.boot.clocks.tsc_khz);
    const u64 now = arch::read_tsc();
    const WallClock& wall = machine.boot.wall_clock;
    const u64 since = pvclock_nanoseconds(scale, now - wall.tsc);
    guest.started_at = now;
    guest.clock = {.scale = scale, .tsc_timestamp = now, .system_time = 0};
    guest.pm_timer = PmTimer(machine.boot.clocks.tsc_khz);
    guest.wall_clock_at_start = wall.unix_seconds == 0 ? 0 : wall.unix_seconds * 1'000'000'000 + since;
}

void stop_cores(Guest& guest, StopReason reason, const Vcpu* self) BULKHEAD_REQUIRES(guest.life_lock) {
    if (guest.stop_reason != StopReason::None)
        return; // another was first
    guest.stop_reason = reason;
    for (Vcpu* vcpu : guest.vcpus)
        if (vcpu != self && vcpu->activity.load() != Activity::Off)
            kick(*vcpu, request_stop);
}

/// 0 milliseconds: it is stopped.
void feed_watchdog(Guest& guest, u32 milliseconds) BULKHEAD_REQUIRES(guest.life_lock) {
    if (guest.state == GuestState::Paused) // the vCPU that feeds it has not heard of that yet
        guest.deadline_left = milliseconds * machine.boot.clocks.tsc_khz;
    else if (guest.stop_reason == StopReason::None)
        set_deadline(guest, milliseconds);
}

void set_paused(Guest& guest, bool paused) BULKHEAD_REQUIRES(guest.life_lock) {
    // A paused guest cannot feed its watchdog: what was left of its time is left when it goes on.
    const u64 now = arch::read_tsc();
    const u64 deadline = guest.deadline.load();
    if (paused) {
        guest.deadline_left = deadline == 0 ? 0 : deadline > now ? deadline - now : 1;
        guest.deadline.store(0);
    } else if (guest.deadline_left != 0) {
        guest.deadline.store(now + guest.deadline_left);
    }
    rearm_clock();
    guest.state = paused ? GuestState::Paused : GuestState::Running;
    guest.paused.store(paused);
    for (Vcpu* vcpu : guest.vcpus)
        kick(*vcpu, request_pause);
}

/// Nobody runs in the guest any more: what comes after its life.
void end_life(Guest& guest) BULKHEAD_REQUIRES(guest.life_lock) {
    const StopReason reason = guest.stop_reason;
    const End end = end_of(reason);
    guest.state = end.state;
    set_deadline(guest, 0);
    Log() << "guest " << guest.name << " is off: " << end.name;
    const bool can_begin = guest.vcpus[0]->present.load();
    if (!can_begin)
        guest.state = GuestState::Failed; // whatever was asked for: nobody is there who could do it
    else if (reason == StopReason::Restarted)
        return launch(guest);
    else if (reason == StopReason::Destroyed)
        return kick(*guest.vcpus[0], request_scrub);
    const GuestInfo& info = *guest.info;
    const u32 wanted = end.state == GuestState::Failed ? info.restart_on_crash : info.restart_on_reboot;
    if (end.restarts_as_it_is_set && wanted != 0 && can_begin) {
        const std::optional<u64> delay =
            guest.restart_count.next(milliseconds_since(guest.started_at), info.restart_limit, info.restart_delay);
        if (delay == 0)
            return launch(guest);
        if (delay) {
            Log() << "guest " << guest.name << " restarts in " << *delay << " ms";
            return set_deadline(guest, *delay);
        }
        Log() << "guest " << guest.name << " stays off: it was restarted " << info.restart_limit << " times in a row";
    }
    kick(machine.cores[machine.service_cpu], request_all_off);
}

enum Situation : u8 { off = 1, waiting = 2, running = 4, paused = 8, stopping = 16, impossible = 32 };

/// Where a GuestOperation makes sense, in its order.
constexpr u8 allowed_in[]{off | waiting,
                          running,
                          paused,
                          running,
                          waiting | running | paused,
                          off | waiting | running | paused,
                          off | waiting | running | paused};

Situation situation_of(const Guest& guest) BULKHEAD_REQUIRES(guest.life_lock) {
    if (!guest.vcpus[0]->present.load())
        return impossible;
    if (!is_alive(guest))
        return guest.deadline.load() == 0 ? off : waiting;
    if (guest.stop_reason != StopReason::None)
        return stopping;
    return guest.paused.load() ? paused : running;
}

std::string_view describe(Situation situation) {
    switch (situation) {
    case off:
        return "it is off";
    case waiting:
        return "it is off, and starts again soon";
    case running:
        return "it runs";
    case paused:
        return "it is paused";
    case stopping:
        return "it is being stopped";
    case impossible:
        return "its first CPU is not there";
    }
    __builtin_unreachable();
}

void carry_out(Guest& guest, GuestOperation operation) BULKHEAD_REQUIRES(guest.life_lock) {
    const StopReason reason = operation == GuestOperation::Stop ? StopReason::Stopped : StopReason::Destroyed;
    switch (operation) {
    case GuestOperation::Shutdown:
        return;
    case GuestOperation::Pause:
    case GuestOperation::Resume:
        return set_paused(guest, operation == GuestOperation::Pause);
    case GuestOperation::Start:
    case GuestOperation::Restart:
        guest.restart_count.clear();
        return is_alive(guest) ? stop_cores(guest, StopReason::Restarted, nullptr) : launch(guest);
    case GuestOperation::Stop:
    case GuestOperation::Destroy:
        if (is_alive(guest))
            return stop_cores(guest, reason, nullptr);
        guest.stop_reason = reason;
        return end_life(guest);
    }
}

} // namespace

u32 read_watchdog(Guest& guest, u16 port) {
    const LockGuard lock(guest.life_lock, lock_owner());
    const u64 deadline = guest.deadline.load();
    const u64 now = arch::read_tsc();
    return guest.watchdog.read(port,
                               deadline > now ? static_cast<u32>((deadline - now) / machine.boot.clocks.tsc_khz) : 0);
}

void write_watchdog(Guest& guest, u16 port, u32 value) {
    const LockGuard lock(guest.life_lock, lock_owner());
    if (const std::optional<u32> milliseconds = guest.watchdog.write(port, value))
        feed_watchdog(guest, *milliseconds);
}

void note_entry(Guest& guest) {
    const LockGuard lock(guest.life_lock, lock_owner());
    feed_watchdog(guest, guest.info->watchdog * 1000);
    if (guest.info->autostart != 0 && guest.lives.load() == 1 && --machine.unentered == 0)
        kick(machine.cores[machine.service_cpu], request_serve);
}

void launch(Guest& guest) {
    guest.watchdog.reset(guest.info->watchdog * 1000, guest.stop_reason == StopReason::Watchdog);
    ++guest.lives;
    guest.state = GuestState::Running;
    guest.stop_reason = StopReason::None;
    guest.paused.store(false);
    u32 running = 0;
    for (Vcpu* vcpu : guest.vcpus) {
        // What the old life's vCPUs asked of each other is not for this one.
        vcpu->requests.fetch_and(request_serve | request_all_off);
        if (!vcpu->present.load())
            continue;
        vcpu->is_new.store(true);
        vcpu->activity.store(Activity::WaitForSipi);
        ++running;
    }
    guest.running_vcpus.store(running);
    start_clocks(guest);
    set_deadline(guest, 0);
    kick(*guest.vcpus[0], request_start);
}

std::optional<EntryState> renew(Vcpu& first) {
    Guest& guest = *first.guest;
    {
        const LockGuard lock(guest.devices_lock, lock_owner());
        guest.uart = {};
        guest.io_apic = {};
        guest.power = {};
        while (guest.input.pop()) // typed for another life
            ;
        guest.eoi_exits.store(false);
    }
    BuildTimes times;
    const Result<EntryState> entry = build_guest_memory(guest, times);
    first.build_ticks = times.zeroing + times.copying;
    if (entry)
        return *entry;
    {
        const LockGuard lock(guest.life_lock, lock_owner());
        guest.last_failure = {entry.error().what, 0, 0};
    }
    Record() << "guest " << guest.name << " not started: " << entry.error().what << " (" << Hex{entry.error().value}
             << ")";
    return std::nullopt;
}

void scrub(Guest& guest) {
    clear_guest_memory(guest);
    {
        const LockGuard lock(guest.life_lock, lock_owner());
        if (is_destroyed(guest))
            guest.state = GuestState::Loaded;
    }
    Log() << "guest " << guest.name << ": its memory is cleared";
    kick(machine.cores[machine.service_cpu], request_all_off);
}

void begin_stop(Guest& guest, StopReason reason, const Vcpu* self) {
    const LockGuard lock(guest.life_lock, lock_owner());
    stop_cores(guest, reason, self);
}

bool is_to_leave(const Vcpu& vcpu) {
    const LockGuard lock(vcpu.guest->life_lock, lock_owner());
    return vcpu.activity.load() != Activity::Off && vcpu.guest->stop_reason != StopReason::None;
}

void leave_guest(Vcpu& vcpu) {
    Guest& guest = *vcpu.guest;
    vcpu.activity.store(Activity::Off);
    if (guest.running_vcpus.fetch_sub(1) != 1)
        return;
    for (const Vcpu* each : guest.vcpus)
        print_counters(*each);
    {
        const LockGuard lock(guest.devices_lock, lock_owner());
        if (const u64 dropped = guest.output_writer.dropped(); dropped != 0)
            Log() << "guest " << guest.name << ": " << dropped << " bytes of console output dropped in all";
    }
    const LockGuard lock(guest.life_lock, lock_owner());
    end_life(guest);
}

void expire(Guest& guest) {
    const LockGuard lock(guest.life_lock, lock_owner());
    const u64 deadline = guest.deadline.load();
    if (deadline == 0 || arch::read_tsc() < deadline)
        return;
    guest.deadline.store(0);
    if (!is_alive(guest))
        return guest.vcpus[0]->present.load() ? launch(guest)
                                              : kick(machine.cores[machine.service_cpu], request_all_off);
    if (guest.stop_reason != StopReason::None)
        return; // it ends already
    guest.last_failure = {"its watchdog was not fed", 0, 0};
    Record() << "guest " << guest.name << ": its watchdog was not fed";
    stop_cores(guest, StopReason::Watchdog, nullptr);
}

bool all_guests_off() {
    for (Guest& guest : machine.guests) {
        const LockGuard lock(guest.life_lock, lock_owner());
        if (is_alive(guest) || is_destroyed(guest) || guest.deadline.load() != 0)
            return false;
    }
    return true;
}

bool is_alive(const Guest& guest) { return guest.state == GuestState::Running || guest.state == GuestState::Paused; }

std::string_view state_of(const Guest& guest) {
    switch (guest.state) {
    case GuestState::Loaded:
        return "loaded";
    case GuestState::Running:
        return "running";
    case GuestState::Paused:
        return "paused";
    case GuestState::Stopped:
        return guest.deadline.load() != 0 ? "stopped, restarts soon" : "stopped";
    case GuestState::Failed:
        return guest.deadline.load() != 0 ? "failed, restarts soon" : "failed";
    }
    __builtin_unreachable();
}

std::string_view perform(Guest& guest, GuestOperation operation) {
    {
        const LockGuard lock(guest.life_lock, lock_owner());
        const Situation now = situation_of(guest);
        if ((allowed_in[static_cast<u32>(operation)] & now) == 0)
            return describe(now);
        if (operation != GuestOperation::Shutdown)
            carry_out(guest, operation);
    }
    if (operation == GuestOperation::Shutdown)
        press_power_button(guest);
    return {};
}

} // namespace bulkhead
