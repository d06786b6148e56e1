// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// Random bytes, executed. What they do to this guest is its own business: a life ends when its sequences are through,
// when they have ruined it, or by its watchdog, and the next one goes on with the next seed. `lives=` says how many
// there are, `seed=` with which they begin: the one that is printed, with `lives=1`, executes the same bytes again. What
// comes of them may differ where the timer, which ends endless sequences, comes at another instruction.
#pragma once

#include <array>

#include "devices/platform.hpp"
#include "guests/attack/attack.hpp"

namespace bulkhead::guest::attack {

inline constexpr u8 tick_vector = 0x40;
inline u64 random_state;

inline u64 random() {
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state;
}
inline void fill_randomly(std::span<u8> code) {
    for (u8& byte : code)
        byte = static_cast<u8>(random() >> 24);
}

/// The sequences that this life has begun in each mode since it said so; a life that is ruined says no more.
struct Progress {
    std::string_view group;
    std::span<const std::string_view> modes;
    std::array<u32, 16> ran{};
    u64 sequences = 0;
    bool is_ending = false;

    void say() {
        Line<240> line;
        line << "attack: " << group << ", begun: ";
        for (u64 i = 0; i < modes.size(); ++i)
            if (ran[i] != 0)
                line << modes[i] << ' ' << ran[i] << "; ";
        ran = {};
        print_line(line.view());
    }
    /// Each line takes longer than a few sequences: the more there were, the rarer it is.
    void begin_one(u64 mode) {
        ++ran[mode];
        if (++sequences; (sequences & (sequences - 1)) == 0)
            say();
    }
};
inline Progress progress;

/// Random code may have changed the tables that reset() looks at.
[[noreturn]] inline void end_life() {
    if (!progress.is_ending) {
        progress.is_ending = true;
        progress.say();
    }
    for (;;)
        out8(platform::reset_port, platform::reset_value);
}

/// One sequence must end; what else can end it is up to `prepare`, which gets the seed.
inline void start_tick() { start_timer_once(static_cast<u32>(apic_timer_hz() / 500), tick_vector); }

/// `run_one` says by progress.begin_one() which of the modes it is.
template <typename Prepare, typename RunOne>
void live_randomly(std::string_view group, std::span<const std::string_view> modes, Prepare&& prepare,
                   RunOne&& run_one) {
    const u64 lives = command_line_number("lives", 20), now = life();
    if (now <= lives) {
        const u64 seed = command_line_number("seed", 1) + now - 1, sequences = command_line_number("sequences", 1000);
        let_record_be_printed();
        print("attack: ", group, ", seed=", seed);
        random_state = (seed + 1) * 0x9e3779b97f4a7c15;
        constexpr u32 watchdog_ms = 2000;
        out32(platform::watchdog_timeout_port, watchdog_ms);
        out32(platform::watchdog_control_port, 1);
        enable_apic();
        for (u64 vector = 0; vector < 32; ++vector)
            set_handler(vector, [](Frame&) { end_life(); });
        set_handler(returned, [](Frame&) { end_life(); }); // random code has come to where its own would end
        progress.group = group;
        progress.modes = modes;
        prepare(seed);
        for (u64 i = 0; i < sequences; ++i)
            run_one();
        end_life();
    }
    Group ended(group);
    ended.add(lives);
}

} // namespace bulkhead::guest::attack
