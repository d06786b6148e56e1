// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include <array>

#include "guests/lib/apic.hpp"
#include "guests/lib/guest.hpp"
#include "guests/lib/hypercall.hpp"
#include "guests/lib/traps.hpp"

// A guest that computes, takes its 250 Hz tick, sends interrupts to itself and waits with HLT causes no exit at all.
// The hypervisor's own counters say so, read before and after the interval. With a needless intercept on, this must
// fail.
namespace bulkhead::guest {

constexpr std::string_view name = GUEST_NAME;

namespace {

constexpr u8 tick_vector = 0x40;
constexpr u8 self_vector = 0x41;
constexpr u64 tick_hz = 250;
constexpr u64 ticks_wanted = 100;
constexpr std::size_t max_reasons = 64;

volatile u64 ticks;
volatile u64 self_interrupts;

using Counts = std::array<u64, max_reasons>;

/// Reads the counters by reason; returns how many there are.
u64 read_counts(Counts& counts) {
    u64 reasons = 0;
    while (reasons < counts.size()) {
        const u64 count = exit_count(reasons);
        if (is_error(count))
            break;
        counts[reasons++] = count;
    }
    return reasons;
}

u64 work(u64 seed) {
    for (unsigned i = 0; i < 1000; ++i)
        seed = seed * 6364136223846793005 + 1442695040888963407;
    return seed;
}

void interval() {
    u64 seed = 1;
    u64 seen = ticks;
    sti();
    while (ticks < ticks_wanted) {
        seed = work(seed) + rdtsc(); // reading the time is part of computing, and must not exit either
        if (ticks == seen)
            continue;
        seen = ticks;
        wrmsr(x2apic_self_ipi, self_vector);
        if (seen % 2 == 0)
            asm volatile("hlt" : : "r"(seed));
    }
    cli();
}

} // namespace

void run() {
    enable_apic();
    set_handler(tick_vector, [](Frame&) {
        ticks = ticks + 1;
        end_of_interrupt();
    });
    set_handler(self_vector, [](Frame&) {
        self_interrupts = self_interrupts + 1;
        end_of_interrupt();
    });
    start_timer(tick_hz, tick_vector);

    const bool counted = under_bulkhead();
    Counts before{}, after{};
    const u64 reasons = counted ? read_counts(before) : 0;
    const u64 start = counted ? exit_count() : 0;
    interval();
    const u64 exits = counted ? exit_count() - start - 1 : 0; // the second reading is an exit itself
    const u64 own = reasons + 3; // exits by the readings between the two of a hypercall's own reason
    if (counted)
        read_counts(after);
    stop_timer();

    print(name, ": ", exits, " exits, ", u64{ticks}, " ticks, ", u64{self_interrupts}, " self-IPIs");
    check(counted, "no exit counters: this is not Bulkhead");
    check(ticks >= ticks_wanted, "ticks: ", u64{ticks});
    // Two that come close together are one: the IRR has one bit for a vector.
    check(self_interrupts * 2 >= ticks_wanted, "self-IPIs: ", u64{self_interrupts});
    check(exits == 0, exits, " exits in ", u64{ticks}, " ticks");
    for (u64 reason = 0; reason < reasons; ++reason)
        if (const u64 more = after[reason] - before[reason]; more != 0 && more != own)
            print(name, ": reason ", reason, ": ", more, " exits");
}

} // namespace bulkhead::guest
