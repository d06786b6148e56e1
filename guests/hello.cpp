// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include <array>

#include "guests/lib/apic.hpp"
#include "guests/lib/guest.hpp"

// A guest starts at the 64-bit entry of the boot protocol, has a console and can turn itself off. With `seconds=` it
// prints for so long, as fast as it can; with `nothing=1` characters that nobody sees, one at a time.
namespace bulkhead::guest {

constexpr std::string_view name = GUEST_NAME;

namespace {

constexpr u16 uart_port = 0x3f8;

/// A thousand lines in one instruction.
void print_many() {
    static constexpr auto lines = [] {
        std::array<char, 16'000> text{};
        for (u64 i = 0; i < text.size(); ++i)
            text[i] = "one of a lot..\r\n"[i % 16];
        return text;
    }();
    const char* from = lines.data();
    u64 count = lines.size();
    asm volatile("rep outsb" : "+S"(from), "+c"(count) : "d"(uart_port) : "memory");
}

} // namespace

void run() {
    print("hello from a guest, command line \"", command_line(), "\"");
    if (const u64 seconds = command_line_number("seconds", 0); seconds != 0)
        for (const u64 until = rdtsc() + seconds * tsc_hz(); rdtsc() < until;)
            command_line_number("nothing", 0) != 0 ? out8(uart_port, 0) : print_many();
    finish("powering off");
}

} // namespace bulkhead::guest
