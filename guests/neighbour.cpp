// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "devices/platform.hpp"
#include "guests/lib/apic.hpp"
#include "guests/lib/devices.hpp"
#include "guests/lib/guest.hpp"
#include "guests/lib/hypercall.hpp"
#include "guests/lib/layout.h"
#include "guests/lib/traps.hpp"

// A guest that minds its own business beside one that does not: for `seconds=`, or with 0 until its power button is
// pressed, it writes and reads its memory and takes its tick. All its memory must stay what it wrote or found there,
// its time must go on and never back, and no interrupt may come but its timer's: any other vector fails it.
// With `alone=1` it has no exit in that time, whatever the others do, where its APIC's registers are the CPU's. With
// `rest=` it sleeps for so many ticks in each round, and leaves an emulator's time to the others.
namespace bulkhead::guest {

constexpr std::string_view name = GUEST_NAME;

extern "C" const u8 guest_constant_end[], guest_end[];

namespace {

constexpr u8 tick_vector = 0x40, button_vector = 0x41;
constexpr u64 tick_hz = 250;
constexpr u64 page_bytes = 4096, pages_of_a_round = 1024;
constexpr u64 boot_area_end = 2 * MiB; // what the loader made for it is there

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

u64 end_of_image() { return (reinterpret_cast<u64>(guest_end) + page_bytes - 1) / page_bytes * page_bytes; }

/// Calls `visit` with the address of each page of its RAM.
void for_each_page(auto&& visit) {
    for (unsigned i = 0; i < memory_range_count(); ++i) {
        const MemoryRange range = memory_range(i);
        for (u64 page = range.address; range.type == 1 && page + page_bytes <= range.address + range.size;
             page += page_bytes)
            visit(page);
    }
}

/// All RAM in which nothing is that it needs: each page has words of its own, others in each sweep over all.
class Patterns {
public:
    Patterns() {
        for_each_page([](u64 page) {
            if (is_free(page))
                fill(page, 0);
        });
    }

    /// Looks at the next pages, and writes others there.
    void go_on() {
        u64 left = pages_of_a_round, passed = 0;
        for_each_page([&](u64 page) {
            if (!is_free(page) || passed++ < begun_ || left == 0)
                return;
            look(page, sweep_);
            fill(page, sweep_ + 1);
            ++begun_;
            --left;
        });
        if (left == 0)
            return;
        ++sweep_;
        begun_ = 0;
    }
    /// Returns how many pages.
    u64 look_at_all() {
        u64 passed = 0;
        for_each_page([&](u64 page) {
            if (is_free(page))
                look(page, sweep_ + (passed++ < begun_ ? 1 : 0));
        });
        return passed;
    }
    [[nodiscard]] u64 damaged() const { return damaged_; }

private:
    static bool is_free(u64 page) {
        return page >= boot_area_end && (page < GUEST_ADDRESS || page >= end_of_image());
    }
    static u64 word_of(u64 page, u64 sweep) { return mix(mix(page) ^ sweep); }
    static void fill(u64 page, u64 sweep) {
        u64 count = page_bytes / 8;
        asm volatile("rep stosq" : "+D"(page), "+c"(count) : "a"(word_of(page, sweep)) : "memory");
    }
    void look(u64 page, u64 sweep) {
        const u64 word = word_of(page, sweep);
        for (u64 count = page_bytes / 8; count != 0;) {
            bool same = false;
            asm volatile("repe scasq" : "+D"(page), "+c"(count), "=@ccz"(same) : "a"(word) : "memory");
            damaged_ += same ? 0 : 1;
        }
    }

    u64 sweep_ = 0, begun_ = 0, damaged_ = 0; ///< of this sweep: pages
};

struct Checksum {
    u64 sum = 0, bytes = 0;
};
/// Of what it needs and does not change: what the loader made for it, its code and constants.
Checksum checksum_of_constants() {
    Checksum checksum;
    const auto add = [&](u64 from, u64 end) {
        for (u64 address = from; address + 8 <= end; address += 8) {
            checksum.sum = mix(checksum.sum ^ at<const u64>(address));
            checksum.bytes += 8;
        }
    };
    for_each_page([&](u64 page) {
        if (page < boot_area_end)
            add(page, page + page_bytes);
    });
    add(GUEST_ADDRESS, reinterpret_cast<u64>(guest_constant_end));
    return checksum;
}

void check_memory(Patterns& patterns, const Checksum& constants) {
    const u64 looked_at = patterns.look_at_all() * page_bytes + constants.bytes;
    check_equal(patterns.damaged(), 0, "words of its memory that changed");
    check_equal(checksum_of_constants().sum, constants.sum, "the checksum of its code, and of what the loader made");
    u64 all = 0;
    for_each_page([&](u64) { all += page_bytes; });
    const u64 data = end_of_image() - reinterpret_cast<u64>(guest_constant_end) / 8 * 8;
    check_equal(looked_at + data, all, "bytes of its RAM");
    print(name, ": looked at ", looked_at / KiB, " KiB of its RAM, all but ", data / KiB, " KiB with its data");
}

void check_time(u64 elapsed, u64 hz) {
    check_equal(times_back, 0, "times that its TSC went back");
    const u64 most = elapsed / (hz / tick_hz);
    // Both clocks are as the loader has measured them: on a busy host an emulator's were 0.3 % apart.
    check(ticks <= most + most / 100 + 2, "more ticks than the timer has made: ", u64{ticks}, ", not ", most);
    // Where emulated CPUs take turns, those that fall due in others' turns are one: who knows how many turns there are
    // asks for more (tests/integration/boots_attacks.cpp).
    check(ticks >= most / 10, "only ", u64{ticks}, " ticks of ", most);
    print(name, ": took ", u64{ticks}, " of ", most, " ticks, ", most == 0 ? 0 : ticks * 1000 / most, " of 1000");
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
    const Checksum constants = checksum_of_constants();
    start_timer(tick_hz, tick_vector);
    print(name, ": begins");
    const u64 before = exit_count();
    static_cast<void>(rdmsr(x2apic_tpr));
    const u64 exits = exit_count();
    const bool has_direct_apic = exits - before == 1; // the question
    if (!has_direct_apic)
        print(name, ": the registers of its APIC exit");
    const u64 begin = rdtsc();
    last_tick = begin;
    sti();
    Patterns patterns;
    u64 rounds = 0;
    while (!is_to_end && (wanted == 0 || rdtsc() - begin < wanted)) {
        rest(resting); // what others do to its memory is still there behind it
        patterns.go_on();
        ++rounds;
    }
    cli();
    const u64 elapsed = rdtsc() - begin;
    const u64 exits_since = exit_count() - exits;
    stop_timer();
    if (command_line_number("alone", 0) != 0 && has_direct_apic)
        check_equal(exits_since, 1, "exits, the question for them among them");
    check_memory(patterns, constants);
    check(rounds > 0, "rounds: ", rounds);
    check_time(elapsed, hz);
    Line<120> note;
    note << rounds << " rounds, " << u64{ticks} << " ticks in " << elapsed / hz << " s, longest pause "
         << u64{longest_pause} * 1000 / hz << " ms";
    finish(note.view());
}

} // namespace bulkhead::guest
