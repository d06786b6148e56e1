// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include <array>
#include <cstring>

#include "guests/attack/attack.hpp"
#include "guests/attack/windows.hpp"
#include "guests/lib/apic.hpp"
#include "guests/lib/devices.hpp"
#include "guests/lib/layout.h"
#include "guests/lib/vcpus.hpp"

// Code that has exited is another when the hypervisor reads it: a second vCPU changes two bytes of it to and fro. What
// was allowed to the one must not be done by the other, and neither stops the guest.
namespace bulkhead::guest {

constexpr std::string_view name = GUEST_NAME;
extern "C" u64 gdt[]; // start.S

namespace {

using namespace attack;

constexpr u64 absent_device = 0xfed00000;
constexpr u64 offset = 1024; // of the code in its page
constexpr u64 rounds = 100, count = 50;

struct Rewritten {
    std::string_view what;
    Mode mode;
    std::array<u8, 8> code; ///< a loop with its count in ECX, or ESI
    u64 at = 0;             ///< of the two bytes
    u16 other = 0;          ///< what they become
    Ends ends = ignored;
    u64 rbx = 0;
};

constexpr std::array<u8, 8> outsb{0x48, 0x89, 0xfe, 0x6e, 0xff, 0xc9, 0x75, 0xf8}; // MOV RSI, RDI; OUTSB
constexpr std::array<u8, 8> load{0x8b, 0x03, 0xb0, 0x22, 0xff, 0xc9, 0x75, 0xf8};  // MOV EAX, [RBX]; MOV AL, 22h
constexpr Ends by_process = ignored | refused, at_device = ignored | page_faulted;

// Their two bytes differ in one: a CPU may fetch one of each.
constexpr Rewritten all[] = {
    {"OUTSB, OUTSD by a process", Mode::user64, outsb, 3, 0xff6f, by_process},
    {"OUTSB, INSB by a process", Mode::user64, outsb, 3, 0xff6c, by_process},
    {"OUTSB, NOP by a process", Mode::user64, outsb, 3, 0xff90, by_process},
    {"OUTSB, HLT by a process", Mode::user64, outsb, 3, 0xfff4, by_process},
    {"load, store", Mode::user64, load, 0, 0x0389, at_device, window},
    {"load, XOR", Mode::user64, load, 0, 0x0331, at_device, window},
    {"load, XCHG", Mode::user64, load, 0, 0x0387, at_device, window},
    {"load, LEA", Mode::user64, load, 0, 0x038d, ignored, window},
    {"load from an absent device, LEA", Mode::kernel64, load, 0, 0x038d, ignored, absent_device},
    {"WBINVD, RDTSC", Mode::kernel64, {0x0f, 0x09, 0x90, 0x90, 0xff, 0xc9, 0x75, 0xf8}, 0, 0x310f, ignored},
    {"WBINVD, UD2", Mode::kernel64, {0x0f, 0x09, 0x90, 0x90, 0xff, 0xc9, 0x75, 0xf8}, 0, 0x0b0f, ignored | undefined},
    {"CPUID, RDTSC", Mode::kernel64, {0x0f, 0xa2, 0xff, 0xce, 0x75, 0xfa, 0x90, 0x90}, 0, 0x310f, ignored},
};

/// Nothing rewrites them, and nothing emulates them: however often they are entered again.
constexpr Rewritten refused_always[] = {{.what = "FLD of a device by a process",
                                         .mode = Mode::user64,
                                         .code = {0xd9, 0x03, 0xff, 0xc9, 0x75, 0xfa, 0x90, 0x90},
                                         .ends = undefined,
                                         .rbx = window},
                                        {.what = "OUTSB of a device by a process",
                                         .mode = Mode::user64,
                                         .code = {0x48, 0x89, 0xde, 0x6e, 0xff, 0xc9, 0x75, 0xf8}, // MOV RSI, RBX
                                         .ends = undefined,
                                         .rbx = window},
                                        {.what = "JMP to a device by a process",
                                         .mode = Mode::user64,
                                         .code = {0xff, 0xe3},
                                         .ends = undefined,
                                         .rbx = window},
                                        {.what = "JMP beyond the memory by a process",
                                         .mode = Mode::user64,
                                         .code = {0xff, 0xe3},
                                         .ends = undefined,
                                         .rbx = window + 4096}};

volatile u64 changed, acknowledged; // addresses
volatile u16 contents[2];

[[noreturn]] void rewrite(u32) {
    for (u64 i = 0;; ++i) {
        const u64 address = changed;
        acknowledged = address;
        if (address != 0)
            at<volatile u16>(address) = contents[i % 2];
    }
}

void change(u64 address) {
    changed = address;
    while (acknowledged != address)
        pause();
}

alignas(4096) u8 task_state[0x68 + 0x2001];

/// Processes may use one port, a byte of it (SDM 1 19.5.2).
void allow(u16 port) {
    constexpr u16 map = 0x68, map_base = 0x66;
    std::memset(task_state, 0xff, sizeof task_state);
    u64* descriptor = gdt + TASK_STATE / 8;
    const u64 before = (descriptor[0] >> 16 & 0xffffff) | descriptor[0] >> 56 << 24 | descriptor[1] << 32;
    std::memcpy(task_state, reinterpret_cast<const void*>(before), map_base);
    std::memcpy(task_state + map_base, &map, sizeof map);
    task_state[map + port / 8] &= static_cast<u8>(~(1u << port % 8));
    const u64 base = reinterpret_cast<u64>(task_state);
    constexpr u64 available = 0x89;
    descriptor[0] = (sizeof task_state - 1) | (base & 0xffffff) << 16 | available << 40 | (base >> 24 & 0xff) << 56;
    descriptor[1] = base >> 32;
    asm volatile("ltr %w0" : : "r"(TASK_STATE));
}

Frame run(const Rewritten& each) {
    static u8 buffer[2 * count];
    std::memset(buffer, 0xee, sizeof buffer);
    return run_code(
        each.code, each.mode,
        {.rdi = reinterpret_cast<u64>(buffer), .rsi = count, .rdx = uart_msr, .rcx = count, .rbx = each.rbx}, offset);
}

} // namespace

void run() {
    enable_apic();
    allow(uart_msr); // writes there do nothing
    out8(uart_scratch, 0x11);
    show(io_apic_select, PageSize::small);
    tables.pages[0] &= ~u64{2}; // can be read only
    tables.pages[1] = end_of_ram() | rights;
    flush();
    at<u32>(io_apic_select) = io_apic_version;
    Group group("rewritten code");
    for (const Rewritten& each : all)
        group.judge(run(each), ignored, each.what, ": as it is");
    for (const Rewritten& each : refused_always)
        group.judge(run(each), each.ends, each.what);
    StartState found;
    check(start_vcpu(1, rewrite, found), "vCPU 1 does not start");
    for (const Rewritten& each : all)
        for (u64 i = 0; i < rounds; ++i) {
            contents[0] = static_cast<u16>(each.code[each.at] | each.code[each.at + 1] << 8);
            contents[1] = each.other;
            change(code_address(offset) + each.at);
            const Frame frame = run(each);
            change(0);
            group.judge(frame, each.ends, each.what);
            group.expect(in8(uart_scratch) == 0x11, each.what, ": the port behind has been written");
            group.expect(at<u32>(io_apic_select) == io_apic_version, each.what, ": the device has been written");
        }
}

} // namespace bulkhead::guest
