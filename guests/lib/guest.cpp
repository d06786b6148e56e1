// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "guests/lib/guest.hpp"

#include <cstring>

#include "guests/lib/power.hpp"
#include "guests/lib/traps.hpp"

namespace bulkhead::guest {
namespace {

constexpr u16 uart = 0x3f8;
constexpr u8 transmitter_empty = 0x20; // LSR.THRE
constexpr u8 loopback = 0x10;          // MCR: what is sent comes back instead of leaving

u64 boot_params;
u64 checks;
u64 failures;

template <typename T> T boot_param(u64 offset) {
    T value;
    std::memcpy(&value, reinterpret_cast<const void*>(boot_params + offset), sizeof value);
    return value;
}

void send(char c) {
    while ((in8(uart + 5) & transmitter_empty) == 0)
        pause();
    out8(uart, static_cast<u8>(c));
}

} // namespace

void print_line(std::string_view text) {
    const u8 modem_control = in8(uart + 4);
    out8(uart + 4, modem_control & ~loopback);
    for (char c : text)
        send(c);
    send('\r');
    send('\n');
    out8(uart + 4, modem_control);
}

void count_check() { ++checks; }

void record_failure(std::string_view reason) {
    ++failures;
    print("FAIL ", name, ": ", reason);
}

void finish(std::string_view note) {
    cli();
    if (failures == 0)
        print("PASS ", name, ": ", note);
    else
        print("FAIL ", name, ": ", failures, " of ", checks, " checks failed");
    power_off();
}

void finish() {
    Line<40> note;
    note << checks << " checks";
    finish(note.view());
}

// Offsets in struct boot_params: Documentation/arch/x86/zero-page.rst.
std::string_view command_line() {
    const u64 address = boot_param<u32>(0x228) | u64{boot_param<u32>(0xc8)} << 32;
    return address == 0 ? std::string_view() : std::string_view(reinterpret_cast<const char*>(address));
}

u64 command_line_number(std::string_view key, u64 otherwise) {
    std::string_view line = command_line();
    const std::size_t start = line.find(key);
    if (start == std::string_view::npos)
        return otherwise;
    line.remove_prefix(start + key.size());
    if (!line.starts_with('='))
        return otherwise;
    line.remove_prefix(1);
    u64 value = 0;
    for (char c : line) {
        if (c < '0' || c > '9')
            break;
        value = value * 10 + static_cast<u64>(c - '0');
    }
    return value;
}

unsigned memory_range_count() { return boot_param<u8>(0x1e8); }

MemoryRange memory_range(unsigned index) {
    const u64 entry = 0x2d0 + 20 * u64{index};
    return {boot_param<u64>(entry), boot_param<u64>(entry + 8), boot_param<u32>(entry + 16)};
}

u64 acpi_root_pointer() {
    if (const u64 address = boot_param<u64>(0x70); address != 0)
        return address;
    for (u64 address = 0xe0000; address < 0x100000; address += 16) // ACPI 6.5 5.2.5.1
        if (std::memcmp(reinterpret_cast<const void*>(address), "RSD PTR ", 8) == 0)
            return address;
    return 0;
}

u64 boot_params_address() { return boot_params; }

extern "C" [[noreturn]] void guest_start_cpp(u64 params) {
    boot_params = params;
    install_traps();
    run();
    finish();
}

} // namespace bulkhead::guest
