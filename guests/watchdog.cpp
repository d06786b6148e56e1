// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "guests/lib/acpi.hpp"
#include "guests/lib/apic.hpp"
#include "guests/lib/guest.hpp"
#include "guests/lib/traps.hpp"
#include "guests/lib/vcpus.hpp"

// The watchdog as a driver finds it, by the actions of the WDAT (Hardware Watchdog Timers Design Specification 1.01):
// it ends a guest that does not feed it and no other, and the next life knows. `on-crash = "restart"` is part of the
// test. With `storm=` it only starts and stops it, again and again for so many seconds, which is none of the others'
// business. With `nmi=1` it hangs in its handler of an NMI, each life, where no further NMI comes.
namespace bulkhead::guest {

constexpr std::string_view name = GUEST_NAME;

namespace {

enum Action : u8 {
    feed = 1,
    get_left = 4,
    get_timeout = 5,
    set_timeout = 6,
    is_running = 8,
    start = 9,
    is_stopped = 10,
    stop = 11,
    has_expired = 32,
    forget_expired = 33,
};

AcpiTable wdat;

/// What the action reads, or 0.
u32 run(Action action, u32 parameter = 0) {
    constexpr u32 first_entry = 68, entry_size = 24;
    for (u32 at = first_entry; at + entry_size <= wdat.size(); at += entry_size) {
        if (wdat.field<u8>(at) != action)
            continue;
        const u8 instruction = wdat.field<u8>(at + 1);
        const u16 port = wdat.field<u16>(at + 8);
        const u32 value = wdat.field<u32>(at + 16);
        const u32 mask = wdat.field<u32>(at + 20);
        const u32 kept = (instruction & 0x80) != 0 ? in32(port) & ~mask : 0;
        switch (instruction & 0x7f) {
        case 0:
            return (in32(port) & mask) == value ? 1 : 0;
        case 1:
            return in32(port) & mask;
        case 2:
            out32(port, kept | (value & mask));
            return 0;
        case 3:
            out32(port, kept | (parameter & mask));
            return 0;
        }
    }
    check(false, "WDAT: no action ", u32{action});
    return 0;
}

void wait_milliseconds(u64 milliseconds) {
    const u64 end = rdtsc() + milliseconds * tsc_hz() / 1000;
    while (rdtsc() < end)
        pause();
}

[[noreturn]] void hang_in_nmi() {
    enable_apic();
    set_handler(nmi, [](Frame&) {
        for (;;)
            pause();
    });
    run(set_timeout, 300);
    run(start);
    print("I hang in my NMI handler");
    wrmsr(x2apic_icr, icr_assert | icr_nmi); // to itself
    for (;;)
        pause();
}

void check_stopped() {
    constexpr u32 short_time = 200;
    run(set_timeout, short_time);
    check_equal(run(is_running), 0, "it runs");
    check_equal(run(is_stopped), 1, "it is stopped");
    check_equal(run(get_left), short_time, "what is left while it is stopped");
    wait_milliseconds(2 * short_time); // nothing happens
}

void check_running() {
    constexpr u32 timeout = 6000; // an emulator's CPU may stand still for seconds
    run(set_timeout, timeout);
    check_equal(run(get_timeout), timeout, "the time-out");
    run(start);
    check_equal(run(is_running), 1, "it runs");
    u32 last = timeout;
    for (unsigned i = 0; i < 8; ++i) {
        wait_milliseconds(timeout / 4);
        const u32 left = run(get_left);
        check(left <= timeout * 7 / 8, "it counts: ", left, " ms are left");
        check(i % 2 == 0 || left < last, "it counts down: ", left, " ms are left, and were ", last);
        last = left;
        if (i % 2 == 1)
            run(feed);
    }
    run(set_timeout, 2 * timeout); // feeds, too
    check(run(get_left) > timeout, "a new time-out begins at once");
    run(forget_expired);
    check_equal(run(is_running), 1, "it runs on");
    run(stop);
}

/// Registers are 32 bits wide.
void check_narrow_accesses() {
    const u16 control = wdat.field<u16>(68 + 8); // of the first action, to feed it
    check_equal(in8(control), 0xff, "a byte of the control register");
    check_equal(in16(control), 0xffff, "a word of it");
    out8(control, 1);
    out16(control, 1);
    check_equal(run(is_running), 0, "a narrow write starts it");
}

} // namespace

void run() {
    wdat = acpi_table("WDAT");
    check(static_cast<bool>(wdat), "there is a WDAT");
    if (!wdat)
        return;
    if (const u64 seconds = command_line_number("storm", 0); seconds != 0) {
        u64 rounds = 0;
        for (const u64 end = rdtsc() + seconds * tsc_hz(); rdtsc() < end; ++rounds) {
            run(start);
            run(stop);
        }
        return check(rounds > 1000, "rounds: ", rounds);
    }
    if (command_line_number("nmi", 0) != 0)
        hang_in_nmi();
    const bool second_life = run(has_expired) != 0;
    check_stopped();
    if (second_life) {
        run(forget_expired);
        check_equal(run(has_expired), 0, "it has forgotten that it expired");
        return;
    }
    check_narrow_accesses();
    check_running();
    run(set_timeout, 300);
    run(start);
    print("I hang");
    for (;;)
        asm volatile("cli; hlt");
}

} // namespace bulkhead::guest
