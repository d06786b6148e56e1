// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include <algorithm>
#include <utility>

#include "guests/attack/attack.hpp"
#include "guests/attack/windows.hpp"
#include "guests/lib/devices.hpp"
#include "guests/lib/xapic.hpp"

// Timers that come as often as they can be made to: where a machine's are software, each costs everybody's time.
namespace bulkhead::guest {

constexpr std::string_view name = GUEST_NAME;

namespace {

using namespace attack;

constexpr u8 timer_vector = 0x40;
constexpr u64 most_hz = 10'000; ///< docs/guests.md
constexpr u32 msr_tsc_deadline = 0x6e0;
/// Bits 3, 1 and 0 of the register, and by what it divides (SDM 3A figure 11-10).
constexpr std::pair<u32, u32> dividers[] = {{0b1011, 1},  {0b0000, 2},  {0b0001, 4},  {0b0010, 8},
                                            {0b0011, 16}, {0b1000, 32}, {0b1001, 64}, {0b1010, 128}};

volatile u64 ticks, enough;

/// The APIC as it is used: by MSRs or by its page.
bool by_page;
void write(X2Apic number, u64 value) {
    by_page ? xapic_write((number & 0xff) << 4, static_cast<u32>(value)) : wrmsr(number, value);
}
u64 read(X2Apic number) { return by_page ? xapic_read((number & 0xff) << 4) : rdmsr(number); }

/// The last that is wanted ends it: where the exit for an EOI takes as long as a period, nothing else gets its turn.
void on_tick(Frame&) {
    ticks = ticks + 1;
    if (ticks >= enough)
        write(x2apic_lvt_timer, lvt_masked);
    write(x2apic_eoi, 0);
}

void stop() {
    write(x2apic_lvt_timer, lvt_masked);
    write(x2apic_initial_count, 0);
    write(x2apic_divide, dividers[0].first);
    sti(); // one may be pending
    pause();
    cli();
}

enum class Order : u8 { CountLast, ModeLast, DividerLast, last = DividerLast };

/// What its count is then: the one that was written, or what is long enough.
void try_period(Group& group, Order order, std::pair<u32, u32> divider, u32 count, bool is_masked) {
    const u64 mode = lvt_periodic | (is_masked ? lvt_masked : 0) | timer_vector;
    const auto set_mode = [=] { write(x2apic_lvt_timer, mode); };
    const auto set_divider = [=] { write(x2apic_divide, divider.first); };
    const auto set_count = [=] { write(x2apic_initial_count, count); };
    const u64 most_of_divided = most_hz * divider.second;
    const u64 least = (apic_timer_hz() + most_of_divided - 1) / most_of_divided; // of whole kHz: perhaps one too few
    constexpr u64 rounds = 3;
    const u64 before = ticks, begin = rdtsc();
    enough = before + rounds;
    switch (order) {
    case Order::CountLast:
        set_mode(), set_divider(), set_count();
        break;
    case Order::ModeLast:
        set_count(), set_divider(), set_mode();
        break;
    case Order::DividerLast:
        set_mode(), set_count(), set_divider();
        break;
    }
    const u64 found = read(x2apic_initial_count);
    group.expect(count > least + 1 ? found == count : found >= least && found <= least + 1,
                 by_page ? "xAPIC, order " : "x2APIC, order ", static_cast<u32>(order), " divider ", divider.second,
                 " count ", count, " is ", found, ", the least ", least);
    const u64 second = apic_timer_hz();
    const u64 period = std::max(std::min(found * divider.second, second) * tsc_hz() / second, u64{1});
    // One that has counted to its end need not begin again by its mode.
    const bool must_come = !is_masked && order != Order::ModeLast && period < tsc_hz() / 1000;
    sti();
    for (const u64 patience = must_come ? 5 * tsc_hz() : tsc_hz() / 5000; ticks < enough && rdtsc() - begin < patience;)
        pause();
    cli();
    const u64 come = ticks - before, most = is_masked ? 0 : (rdtsc() - begin) / period + 2;
    group.expect(come >= (must_come ? rounds : 0) && come <= most, come, " ticks, at most ", most);
    stop();
}

void try_periods(Group& group) {
    const u32 least = static_cast<u32>(apic_timer_hz() / most_hz);
    for (u32 order = 0; order <= static_cast<u32>(Order::last); ++order)
        for (const auto& divider : dividers)
            for (const u32 count : {1u, 2u, 30u, 100u, 1000u, least / 2, 2 * least, ~0u})
                for (const bool is_masked : {false, true})
                    try_period(group, Order{static_cast<u8>(order)}, divider, count, is_masked);
}

/// What is periodic stays so by ways around its registers, or is set anew: its period is long enough behind each.
void try_ways_around(Group& group) {
    const u64 least = apic_timer_hz() / most_hz;
    const auto begin = [&](std::string_view what) {
        write(x2apic_divide, dividers[0].first);
        write(x2apic_lvt_timer, lvt_periodic | lvt_masked | timer_vector);
        write(x2apic_initial_count, 1);
        group.expect(read(x2apic_initial_count) >= least, what, ": as it begins");
    };
    const auto look = [&](std::string_view what) {
        write(x2apic_initial_count, 1);
        const bool is_periodic = (read(x2apic_lvt_timer) & lvt_periodic) != 0;
        group.expect(!is_periodic || read(x2apic_initial_count) >= least, what, ": a count of ",
                     read(x2apic_initial_count));
        stop();
    };
    stop();
    begin("an open level-triggered pin");
    io_apic_write(redirection(uart_pin), 1u << 15 | timer_vector); // all EOIs exit from here
    look("an open level-triggered pin");
    begin("a pin that is closed again");
    io_apic_write(redirection(uart_pin), io_apic_masked);
    look("a pin that is closed again");

    // WRMSR by an entry of the TLB whose page is gone: an exit, where the hypervisor does not find the instruction.
    alignas(4096) static u8 code[4096] = {0x0f, 0x30, 0xc3};
    const u64 seen = show(reinterpret_cast<u64>(code), PageSize::small);
    const auto call = [=](u64 number, u64 value) {
        return attempt([=] {
            asm volatile("call *%0" : : "r"(seen), "c"(number), "a"(value), "d"(value >> 32) : "memory");
        });
    };
    begin("an LVT write that is gone");
    const u64 before = exit_count();
    call(x2apic_divide, dividers[0].first);
    tables.pages[0] = 0;
    group.judge(call(x2apic_lvt_timer, lvt_masked | timer_vector), ignored | page_faulted, "an LVT write that is gone");
    if (exit_count() - before == 3) // the question, too; Bochs' CPUs keep no entry over an exit
        print("attack: timers: an LVT write that is gone has exited");
    look("an LVT write that is gone");

    const u64 base = rdmsr(msr_apic_base);
    use_xapic();
    by_page = true;
    begin("an xAPIC");
    set_apic_mode(base & (apic_base_en | apic_base_extd)); // the timer goes on
    by_page = false;
    look("an x2APIC that was an xAPIC");
    begin("an APIC that is switched off");
    set_apic_mode(0);
    set_apic_mode(apic_base_en);
    set_apic_mode(base & (apic_base_en | apic_base_extd));
    enable_apic();
    look("an APIC that was switched off");
}

/// Counts cost an exit while the timer is periodic only, where they can be without.
void try_exits(Group& group) {
    const auto exits_of = [](auto&& act) {
        const u64 before = exit_count();
        act();
        return exit_count() - before - 1; // the question
    };
    const auto set_count = [] { wrmsr(x2apic_initial_count, 0); };
    if (exits_of([] { wrmsr(x2apic_tpr, 0); }) != 0) // they are the CPU's nowhere
        return;
    for (unsigned i = 0; i < 2; ++i) {
        group.expect(exits_of(set_count) == 0, "a count exits");
        group.expect(exits_of([] { wrmsr(x2apic_lvt_timer, lvt_periodic | lvt_masked); }) == 1, "the mode");
        group.expect(exits_of(set_count) == 1, "a periodic timer's count does not exit");
        stop();
    }
}

/// `again` is done as fast as it can be.
template <typename Again> void keep_on(Group& group, std::string_view what, u64 mode, Again again) {
    constexpr u64 rounds = 1000;
    enough = ticks + rounds;
    write(x2apic_lvt_timer, mode | timer_vector);
    sti();
    const u64 begin = rdtsc();
    while (ticks < enough && rdtsc() - begin < 60 * tsc_hz())
        again();
    cli();
    group.expect(ticks >= enough, what, ": only ", rounds - (enough - ticks), " ticks");
    group.add(rounds - 1);
    stop();
}

} // namespace

void run() {
    enable_apic();
    set_handler(timer_vector, on_tick);
    Group group("timers");
    for (const bool page : {false, true}) {
        if (page)
            use_xapic();
        by_page = page;
        stop();
        try_periods(group);
        if (!page) {
            try_ways_around(group);
            try_exits(group);
        }
        for (const u32 count : {1u, 100u})
            keep_on(group, "one at once", 0, [=] { write(x2apic_initial_count, count); });
        keep_on(group, "each of another mode", 0, [] {
            write(x2apic_initial_count, 1);
            write(x2apic_lvt_timer, lvt_periodic | timer_vector);
            write(x2apic_lvt_timer, timer_vector);
        });
        if ((cpuid(1).ecx >> 24 & 1) != 0)
            keep_on(group, "deadlines that are over", lvt_deadline, [] { wrmsr(msr_tsc_deadline, 1); });
    }
}

} // namespace bulkhead::guest
