// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include <array>
#include <cstring>

#include "guests/attack/random.hpp"
#include "guests/lib/layout.h"

// In 64-bit code, and in 32- and 16-bit code of compatibility mode, by a kernel and by a process.
namespace bulkhead::guest {

constexpr std::string_view name = GUEST_NAME;

extern "C" u64 gdt[], page_directories[];

namespace {

using namespace attack;

constexpr u64 device_page = 0xfed00000;
constexpr u64 code_bytes = 48, code_offset = 1024;

constexpr std::string_view mode_names[] = {"64-bit code",         "32-bit code",         "16-bit code",
                                           "a 64-bit process", "a 32-bit process", "a 16-bit process"};

alignas(4096) u8 buffer[2 * 4096];

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
    // In the order of mode_names.
    constexpr Mode modes[] = {Mode::kernel64, Mode::kernel32, Mode::kernel32, Mode::user64, Mode::user32, Mode::user32};
    const u64 which = random() % std::size(modes);
    gdt[kernel32_entry] = which == 2 ? code16 : code32;
    gdt[user32_entry] = (which == 5 ? code16 : code32) | of_user;
    std::array<u8, code_bytes> code;
    fill_randomly(code);
    Frame registers{.r15 = operand(), .r14 = operand(), .r9 = operand(), .r8 = operand()};
    registers.rdi = operand(), registers.rsi = operand(), registers.rdx = operand(), registers.rcx = operand();
    registers.rbx = operand(), registers.rax = operand(), registers.rbp = operand();
    registers.rflags = interrupt_flag;
    progress.begin_one(which);
    start_tick();
    run_code(code, modes[which], registers, code_offset);
    stop_timer();
}

void prepare(u64) {
    for (u64 vector = 32; vector < 256; ++vector)
        if (vector != returned)
            set_handler(vector, end_run);
    remove_pages();
}

} // namespace

void run() { live_randomly("random code", mode_names, prepare, run_one); }

} // namespace bulkhead::guest
