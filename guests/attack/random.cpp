// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include <array>
#include <cstring>

#include "devices/platform.hpp"
#include "guests/attack/attack.hpp"
#include "guests/lib/apic.hpp"
#include "guests/lib/layout.h"

// Random bytes, executed in 64-, 32- and 16-bit code, by a kernel and by a process. What they do to this guest is its
// own business: a life ends when its sequences are through, when they have ruined it, or by its watchdog, and the next
// one goes on with the next seed. `lives=` says how many there are, `seed=` with which they begin: the one that is
// printed, with `lives=1`, does the same again.
namespace bulkhead::guest {

constexpr std::string_view name = GUEST_NAME;

extern "C" u64 gdt[], page_directories[];

namespace {

using namespace attack;

constexpr u64 device_page = 0xfed00000;
constexpr u8 tick_vector = 0x40;
constexpr u64 code_bytes = 48, code_offset = 1024;

alignas(4096) u8 buffer[2 * 4096];
u64 state;

u64 random() {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

[[noreturn]] void give_up(Frame&) { reset(); }

/// Ends what runs, as if it had come to its end: by the timer, or by an INT n of its own.
void end_run(Frame& frame) {
    end_of_interrupt();
    static u8 ending[] = {0xcd, static_cast<u8>(returned)};
    frame.rip = reinterpret_cast<u64>(ending);
    frame.cs = KERNEL_CODE64;
    frame.ss = KERNEL_DATA;
    frame.rflags = 2;
    frame.rsp = reinterpret_cast<u64>(buffer + sizeof buffer);
}

/// RAM of the program and the devices' addresses are there; all else is no page, or a life would be over at once.
void remove_pages() {
    constexpr u64 entries = 4 * 512, last_devices = 16;
    for (u64 i = 24 / 2; i < entries - last_devices; ++i)
        page_directories[i] = 0;
    write_cr3(read_cr3());
}

u64 operand() {
    const u64 kind = random();
    if (kind % 4 == 0)
        return random();
    if (kind % 4 == 1)
        return random() & 0xffff;
    return kind % 64 == 2 ? device_page + (random() & 0x1ff8) : reinterpret_cast<u64>(buffer) + (random() & 0xff8);
}

void run_one() {
    constexpr u64 code32 = 0x00cf9b000000ffff, code16 = 0x008f9b000000ffff;
    constexpr u64 user32_entry = USER_CODE32 / 8, kernel32_entry = KERNEL_CODE32 / 8, of_user = u64{3} << 45;
    constexpr Mode modes[] = {Mode::kernel64, Mode::kernel32, Mode::kernel32, Mode::user64, Mode::user32, Mode::user32};
    const u64 which = random() % std::size(modes);
    gdt[kernel32_entry] = which == 2 ? code16 : code32;
    gdt[user32_entry] = (which == 5 ? code16 : code32) | of_user;
    std::array<u8, code_bytes> code;
    for (u8& byte : code)
        byte = static_cast<u8>(random() >> 24);
    Frame registers{.r15 = operand(), .r14 = operand(), .r9 = operand(), .r8 = operand()};
    registers.rdi = operand(), registers.rsi = operand(), registers.rdx = operand(), registers.rcx = operand();
    registers.rbx = operand(), registers.rax = operand(), registers.rbp = operand();
    registers.rflags = interrupt_flag;
    start_timer_once(static_cast<u32>(apic_timer_hz() / 500), tick_vector);
    run_code(code, modes[which], registers, code_offset);
    stop_timer();
}

void live(u64 seed, u64 sequences) {
    print("attack: random code, seed=", seed);
    state = (seed + 1) * 0x9e3779b97f4a7c15;
    constexpr u32 watchdog_ms = 2000;
    out32(platform::watchdog_timeout_port, watchdog_ms);
    out32(platform::watchdog_control_port, 1);
    enable_apic();
    for (u64 vector = 0; vector < 32; ++vector)
        set_handler(vector, give_up);
    for (u64 vector = 32; vector < 256; ++vector)
        if (vector != returned)
            set_handler(vector, end_run);
    remove_pages();
    for (u64 i = 0; i < sequences; ++i)
        run_one();
    reset();
}

} // namespace

void run() {
    const u64 lives = command_line_number("lives", 20), now = life();
    if (now <= lives)
        live(command_line_number("seed", 1) + now - 1, command_line_number("sequences", 1000));
    Group group("random code");
    group.add(lives);
}

} // namespace bulkhead::guest
