// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// The registers that switch this machine off, start it anew, or end it in time: whatever is written there, and however,
// it is this guest's alone, and happens only when docs/guests.md says so.
#pragma once

#include "devices/platform.hpp"
#include "guests/attack/attack.hpp"

namespace bulkhead::guest::attack {

inline constexpr u16 sleep_port = platform::sleep_control_port, status_port = platform::sleep_status_port,
                     reset_port = platform::reset_port, button_port = platform::button_port,
                     timeout_port = platform::watchdog_timeout_port, left_port = platform::watchdog_left_port,
                     control_port = platform::watchdog_control_port;

inline bool switches_off(u8 value) { return (value & 0x20) != 0 && (value >> 2 & 7) == platform::soft_off_type; }

/// What each of the eight registers reads as while nothing has been asked.
inline u8 idle_value(u32 port) { return port <= button_port ? 0 : 0xff; }

/// Each value of each register but those that end this life, by accesses that reach no other register.
inline void try_power_bytes(Group& group) {
    const auto reads = [&](u16 port, u8 value, std::string_view what, u32 written) {
        const u8 seen = in8(port);
        group.expect(seen == value, "port ", Hex{u64{port}}, ", ", what, " ", Hex{u64{written}}, ": ", Hex{u64{seen}});
    };
    for (u32 value = 0; value < 256; ++value) {
        const u8 byte = static_cast<u8>(value);
        if (!switches_off(byte)) {
            out8(sleep_port, byte);
            reads(sleep_port, 0, "after", value);
            reads(status_port, (value & 0x20) != 0 ? 0x80 : 0, "awake after", value);
            out8(status_port, static_cast<u8>(~0x80));
            reads(status_port, (value & 0x20) != 0 ? 0x80 : 0, "not cleared after", value);
            out8(status_port, 0x80);
            reads(status_port, 0, "cleared after", value);
        }
        if (byte != platform::reset_value) {
            out8(reset_port, byte);
            reads(reset_port, 0, "after", value);
        }
        out8(button_port, byte);
        reads(button_port, 0, "after", value);
        for (u16 port = button_port + 1; port < platform::pm_timer_port; ++port) {
            out8(port, byte);
            reads(port, 0xff, "after", value);
        }
    }
}

/// An access is the device's where it begins: one that begins before does not reach in, and one that begins within is
/// done byte for byte.
inline void try_power_widths(Group& group) {
    for (u32 port = sleep_port - 3; port < sleep_port; ++port)
        for (const u32 value : {0x01010101u, 0x34343434u, 0x34010134u, ~0u}) {
            out16(static_cast<u16>(port), static_cast<u16>(value));
            out32(static_cast<u16>(port), value);
            const u32 seen = in32(static_cast<u16>(port));
            group.expect(seen == ~0u, "from ", Hex{u64{port}}, " on: ", Hex{u64{seen}});
        }
    for (u32 port = sleep_port; port < platform::pm_timer_port; ++port)
        for (const u32 value : {0u, ~0u, 0x02020202u, 0x80808080u, 0xfe00fe00u, 0x10101010u}) {
            out16(static_cast<u16>(port), static_cast<u16>(value));
            out32(static_cast<u16>(port), value);
            out8(status_port, 0x80);
            out8(button_port, 1);
            for (const u32 size : {2u, 4u}) {
                const u32 seen = size == 2 ? in16(static_cast<u16>(port)) : in32(static_cast<u16>(port));
                bool same = true;
                for (u32 i = 0; i < size && port + i < platform::pm_timer_port; ++i)
                    same = same && (seen >> 8 * i & 0xff) == idle_value(port + i);
                group.expect(same, size, " bytes at ", Hex{u64{port}}, ": ", Hex{u64{seen}});
            }
        }
    u8 buffer[64];
    for (u8& byte : buffer)
        byte = 0xfe;
    for (u32 port = sleep_port; port < platform::pm_timer_port; ++port) {
        u64 from = reinterpret_cast<u64>(buffer), count = sizeof buffer;
        asm volatile("rep outsb" : "+S"(from), "+c"(count) : "d"(port) : "memory");
        u64 to = reinterpret_cast<u64>(buffer);
        count = sizeof buffer;
        asm volatile("rep insb" : "+D"(to), "+c"(count) : "d"(port) : "memory");
        const u8 seen = idle_value(port);
        group.expect(buffer[0] == seen && buffer[sizeof buffer - 1] == seen, "strings at ", Hex{u64{port}}, ": ",
                     Hex{u64{buffer[0]}});
        out8(status_port, 0x80);
        for (u8& byte : buffer)
            byte = 0xfe;
    }
}

inline void try_watchdog(Group& group) {
    const auto reads = [&](u16 port, u32 value, std::string_view what) {
        const u32 seen = in32(port);
        group.expect(seen == value, "watchdog, ", what, ": ", Hex{u64{seen}}, ", expected ", Hex{u64{value}});
    };
    out32(control_port, 2);
    reads(control_port, 0, "stopped");
    for (unsigned bit = 0; bit < 32; ++bit)
        for (const u32 value : {u32{1} << bit, ~(u32{1} << bit), (u32{1} << bit) - 1}) {
            out32(timeout_port, value);
            reads(timeout_port, value == 0 ? 1 : value, "time-out");
            reads(left_port, value == 0 ? 1 : value, "left while stopped");
            out32(left_port, ~value);
            reads(left_port, value == 0 ? 1 : value, "left is read-only");
            out32(control_port, value & ~1u);
            reads(control_port, 0, "control without RUN");
        }
    constexpr u32 longest = 0xffffffff;
    for (const u32 value : {1u, 3u, ~0u, 0x80000001u}) { // 49 days
        out32(timeout_port, longest);
        out32(control_port, value);
        reads(control_port, 1, "running");
        const u32 left = in32(left_port);
        group.expect(left > longest - 60'000, "watchdog, left: ", Hex{u64{left}});
        out32(timeout_port, longest - 1);
        reads(control_port, 1, "running on");
        out32(control_port, ~1u);
        reads(control_port, 0, "stopped again");
    }
    // Registers are 4 bytes wide: all else does nothing, wherever it begins.
    out32(timeout_port, 1);
    for (u32 port = timeout_port - 3; port < timeout_port + 15; ++port) {
        const u16 number = static_cast<u16>(port);
        const bool is_register = port == timeout_port || port == left_port || port == control_port;
        out8(number, 0xff);
        out16(number, 0xffff);
        if (!is_register) {
            out32(number, ~0u);
            group.expect(in32(number) == ~0u, "watchdog, 4 bytes at ", Hex{u64{port}});
        }
        group.expect(in8(number) == 0xff && in16(number) == 0xffff, "watchdog, fewer bytes at ", Hex{u64{port}});
        reads(control_port, 0, "after fewer bytes");
        reads(timeout_port, 1, "the time-out after fewer bytes");
    }
    out32(timeout_port, longest);
    for (u64 i = 0; i < 1000; ++i) { // each sets the machine's clock
        out32(control_port, 1);
        out32(control_port, 0);
    }
    reads(control_port, 0, "after a storm");
}

/// A process may not, whatever it asks for.
inline void try_power_of_process(Group& group) {
    for (const u16 port : {sleep_port, status_port, reset_port, button_port, timeout_port, left_port, control_port})
        for (const u8 opcode : {u8{0xee}, u8{0xef}, u8{0x6e}, u8{0x6f}})
            group.judge(run_code({opcode}, Mode::user64, {.rsi = code_address(), .rdx = port, .rax = 1}), refused,
                        "port ", Hex{u64{port}}, " of a process");
}

/// Ends of this life, and of no other.
struct End {
    std::string_view what;
    bool by_watchdog;
    void (*act)();
};
inline void write_strings(u16 port, std::initializer_list<u8> bytes, u64 count) {
    u64 from = reinterpret_cast<u64>(bytes.begin());
    asm volatile("rep outsb" : "+S"(from), "+c"(count) : "d"(port) : "memory");
}
inline void expire(u32 timeout) {
    out32(timeout_port, timeout);
    out32(control_port, 1);
    for (;;)
        asm volatile("cli; hlt");
}
inline constexpr End ends[] = {
    {"reset", false, [] { out8(reset_port, 1); }},
    {"reset by 2 bytes", false, [] { out16(reset_port, 0xff01); }},
    {"reset by 4 bytes", false, [] { out32(reset_port, 0xffffff01); }},
    {"reset by the second of 2 bytes", false, [] { out16(status_port, 0x0180); }},
    {"reset by the third of 4 bytes", false, [] { out32(sleep_port, 0xff01ff00); }},
    {"off and reset at once", false, [] { out32(sleep_port, 0xff01ff34); }},
    {"reset by strings", false, [] { write_strings(reset_port, {0, 2, 0xff, 1, 1, 1}, 6); }},
    {"reset by strings without end", false, [] { write_strings(reset_port, {1}, ~u64{0}); }},
    {"reset, then off", false,
     [] {
         out8(reset_port, 1);
         out8(sleep_port, 0x34);
     }},
    {"reset while the watchdog is due", false,
     [] {
         out32(timeout_port, 1);
         out32(control_port, 1);
         out8(reset_port, 1);
     }},
    {"time-out 0", true, [] { expire(0); }},
    {"time-out 1", true, [] { expire(1); }},
    {"a watchdog that is fed until it is not", true,
     [] {
         out32(timeout_port, 20);
         for (u64 i = 0; i < 10'000; ++i)
             out32(control_port, 3);
         expire(20);
     }},
    {"a shorter time-out while it runs", true,
     [] {
         out32(timeout_port, ~0u);
         out32(control_port, 1);
         expire(1);
     }},
};

/// That of the life before this one, as the watchdog's register tells it.
inline void check_last_end(u64 last) {
    const u32 control = in32(control_port);
    check((control & 2) == (ends[last].by_watchdog ? 2u : 0u) || ends[last].what.ends_with("is due"), ends[last].what,
          ": the watchdog's register ", Hex{u64{control}});
    check((control & 1) == 0 && in8(status_port) == 0 && in32(timeout_port) == 30'000, ends[last].what,
          ": registers of the life before are gone");
}

} // namespace bulkhead::guest::attack
