// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "devices/platform.hpp"
#include "guests/attack/attack.hpp"
#include "guests/attack/power_ports.hpp"

// Every port, by every instruction that reaches one. The guest's own devices answer; all else reads as ones, and takes
// writes that go nowhere. Then the ports that switch this machine off.
namespace bulkhead::guest {

constexpr std::string_view name = GUEST_NAME;

namespace {

using namespace attack;

constexpr u32 ports = 0x10000;

/// Whether one of the bytes from `port` on is a device's. The last ports wrap around.
bool reaches(u32 port, u32 size, u32 first, u32 count) {
    for (u32 i = 0; i < size; ++i)
        if (const u32 byte = (port + i) % ports; byte >= first && byte < first + count)
            return true;
    return false;
}
bool is_own(u32 port, u32 size) {
    return reaches(port, size, platform::uart_port, 8) || reaches(port, size, platform::power_port, 16) ||
           reaches(port, size, platform::watchdog_port, 12);
}
/// What they hear may end the guest, or makes it deaf.
bool is_spared(u32 port, u32 size) { return is_own(port, size); }

template <typename T> T in(u16 port) {
    T value{};
    asm volatile("in %1, %0" : "=a"(value) : "d"(port));
    return value;
}
template <typename T> void out(u16 port, T value) { asm volatile("out %0, %1" : : "a"(value), "d"(port)); }

template <typename T> void read_and_write_all(Group& group) {
    constexpr T ones = static_cast<T>(~T{0});
    for (u32 port = 0; port < ports; ++port) {
        if (is_spared(port, sizeof(T)))
            continue;
        T value{};
        const u16 number = static_cast<u16>(port);
        const Frame frame = attempt([&] {
            out<T>(number, T{0});
            out<T>(number, ones);
            value = in<T>(number);
        });
        group.expect(frame.vector == returned && value == ones, "port ", Hex{port}, ", ", u64{sizeof(T)},
                     " bytes: vector ", frame.vector, " value ", Hex{u64{value}});
    }
}

alignas(8) u32 buffer[16];

void string_forms(Group& group) {
    constexpr u32 step = 61; // a prime: all residues of what a decoder may look at
    constexpr u64 count = 4;
    for (u32 port = 0; port < ports; port += step) {
        if (is_spared(port, 4))
            continue;
        for (u32& word : buffer)
            word = 0;
        const Frame frame = attempt([&] {
            u64 to = reinterpret_cast<u64>(buffer), n = count;
            asm volatile("rep insl" : "+D"(to), "+c"(n) : "d"(port) : "memory");
            to = reinterpret_cast<u64>(buffer + count), n = count;
            asm volatile("rep insb" : "+D"(to), "+c"(n) : "d"(port) : "memory");
            u64 from = reinterpret_cast<u64>(buffer);
            n = count;
            asm volatile("rep outsw" : "+S"(from), "+c"(n) : "d"(port) : "memory");
        });
        bool ones = true;
        for (u64 i = 0; i <= count; ++i)
            ones = ones && buffer[i] == ~0u;
        group.expect(frame.vector == returned && ones && buffer[count + 1] == 0, "strings at port ", Hex{port},
                     ": vector ", frame.vector);
    }
}

/// A user without I/O rights has no port at all: not those that exit, nor the guest's own.
void user_mode(Group& group) {
    for (u32 port = 0; port < ports; port += 251)
        for (const u8 opcode : {u8{0xec}, u8{0xef}, u8{0x6c}, u8{0x6f}})
            group.judge(run_code({opcode}, Mode::user64, {.rsi = reinterpret_cast<u64>(buffer), .rdx = port}), refused,
                        "user mode, opcode ", Hex{opcode}, ", port ", Hex{port});
}

/// The guest's own devices, with what a driver never writes. Its console must work afterwards, or nothing is printed.
void own_devices(Group& group) {
    for (u16 port = platform::uart_port + 1; port < platform::uart_port + 8; ++port) {
        const u8 before = in<u8>(port);
        for (u32 value = 0; value < 256; ++value)
            group.attempt(ignored, [=] { out<u8>(port, static_cast<u8>(value)); }, "UART ", Hex{port}, " ", value);
        out<u8>(port, before);
    }
    out<u8>(platform::uart_port + 3, 3); // 8 bits, DLAB off
    out<u8>(platform::uart_port + 1, 0);
    for (u16 port = platform::pm_timer_port; port < platform::pm_timer_port + 8; ++port)
        for (u32 value = 0; value < 256; ++value)
            group.attempt(ignored, [=] { out<u32>(port, value * 0x01010101); }, "PM timer ", Hex{port}, " ", value);
}

/// Accesses that begin beside a device and reach into it, or over the last port.
void edges(Group& group) {
    for (const u16 port : {u16{0x3f5}, u16{0x3f6}, u16{0x3f7}, u16{0x3fe}, u16{0x3ff}, u16{0x606}, u16{0x607},
                           u16{0x60a}, u16{0x60b}, u16{0x60d}, u16{0x60e}, u16{0x60f}, u16{0x611}, u16{0x61a},
                           u16{0x61b}, u16{0xfffd}, u16{0xfffe}, u16{0xffff}}) {
        group.attempt(ignored, [=] { static_cast<void>(in<u32>(port)); }, "edge ", Hex{port}, ", 4 bytes read");
        group.attempt(ignored, [=] { static_cast<void>(in<u16>(port)); }, "edge ", Hex{port}, ", 2 bytes read");
    }
}

} // namespace

void run() {
    if (life() == 1) {
        {
            Group group("ports");
            read_and_write_all<u8>(group);
            read_and_write_all<u16>(group);
            read_and_write_all<u32>(group);
            string_forms(group);
            user_mode(group);
            own_devices(group);
            edges(group);
        }
        Group group("power and watchdog");
        try_power_bytes(group);
        try_power_widths(group);
        try_watchdog(group);
        try_power_of_process(group);
    } else {
        check_last_end(life() - 2);
    }
    stop_by_each("power, reset and watchdog", std::size(ends), [](u64 index) {
        print("attack: ", index, ": ", ends[index].what);
        ends[index].act();
    });
}

} // namespace bulkhead::guest
