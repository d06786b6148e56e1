// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "devices/platform.hpp"
#include "guests/lib/apic.hpp"
#include "guests/lib/devices.hpp"
#include "guests/lib/guest.hpp"
#include "guests/lib/hypercall.hpp"
#include "guests/lib/traps.hpp"

// A guest that minds its own business beside one that does not: for `seconds=`, or with 0 until its power button is
// pressed, it computes on its memory and takes its tick. Its memory must stay what it wrote, its time must go on and
// never back, and no interrupt may come but its timer's: any other vector fails it.
// With `alone=1` it has no exit in that time, whatever the others do. With `rest=` it sleeps for so many ticks in
// each round, and leaves an emulator's time to the others.
namespace bulkhead::guest {

constexpr std::string_view name = GUEST_NAME;

namespace {

constexpr u8 tick_vector = 0x40, button_vector = 0x41;
constexpr u64 tick_hz = 250;
constexpr u64 area = 32 * MiB;
constexpr u64 area_size = 4 * MiB;

volatile u64 ticks;
volatile u64 longest_pause;
volatile u64 last_tick;
volatile u64 times_back;
volatile bool is_to_end;

u64 mix(u64 value) { return value * 6364136223846793005 + 1442695040888963407; }

void on_tick(Frame&) {
    const u64 now = rdtsc();
    if (now < last_tick)
        times_back = times_back + 1;
    else if (now - last_tick > longest_pause)
        longest_pause = now - last_tick;
    last_tick = now;
    ticks = ticks + 1;
    end_of_interrupt();
}

/// The event stays pending in its register: reading that would be an exit.
void on_button(Frame&) {
    is_to_end = true;
    end_of_interrupt();
}

void rest(u64 count) {
    for (const u64 until = ticks + count; ticks < until && !is_to_end;)
        sti_hlt();
}

void fill(u64 seed) {
    for (u64 address = area; address < area + area_size; address += 8)
        at<u64>(address) = seed = mix(seed);
}

u64 count_damaged(u64 seed) {
    u64 damaged = 0;
    for (u64 address = area; address < area + area_size; address += 8) {
        seed = mix(seed);
        damaged += at<const u64>(address) != seed ? 1 : 0;
    }
    return damaged;
}

} // namespace

void run() {
    const u64 hz = tsc_hz();
    const u64 wanted = command_line_number("seconds", 5) * hz;
    const u64 resting = command_line_number("rest", 0);
    enable_apic();
    set_handler(tick_vector, on_tick);
    set_handler(button_vector, on_button);
    route_pin(platform::button_pin, button_vector);
    start_timer(tick_hz, tick_vector);
    const u64 exits = exit_count();
    const u64 begin = rdtsc();
    last_tick = begin;
    sti();
    u64 rounds = 0, damaged = 0;
    while (!is_to_end && (wanted == 0 || rdtsc() - begin < wanted)) {
        fill(rounds);
        rest(resting); // what others do to its memory is still there behind it
        damaged += count_damaged(rounds++);
    }
    cli();
    const u64 seconds = (rdtsc() - begin) / hz;
    const u64 exits_since = exit_count() - exits;
    stop_timer();
    if (command_line_number("alone", 0) != 0)
        check_equal(exits_since, 1, "exits, the question for them among them");
    check_equal(damaged, 0, "words of its memory that changed");
    check(rounds > 0, "rounds: ", rounds);
    check_equal(times_back, 0, "times that its TSC went back");
    const u64 most = (rdtsc() - begin) / (hz / tick_hz);
    check(ticks <= most + most / 50 + 2, "more ticks than the timer has made: ", u64{ticks}, ", not ", most);
    check(ticks >= seconds * tick_hz / 10, "only ", u64{ticks}, " ticks in ", seconds, " seconds");
    Line<120> note;
    note << rounds << " rounds, " << u64{ticks} << " ticks in " << seconds << " s, longest pause "
         << u64{longest_pause} * 1000 / hz << " ms";
    finish(note.view());
}

} // namespace bulkhead::guest
