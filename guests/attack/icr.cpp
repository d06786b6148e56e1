// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include <array>

#include "devices/platform.hpp"
#include "guests/attack/attack.hpp"
#include "guests/lib/apic.hpp"
#include "guests/lib/devices.hpp"
#include "guests/lib/vcpus.hpp"
#include "guests/lib/xapic.hpp"

// Interrupts to everybody, in every form that an APIC and an I/O APIC can say: those of other guests and of the
// hypervisor are nobody here.
namespace bulkhead::guest {

constexpr std::string_view name = GUEST_NAME;

namespace {

using namespace attack;

// Physical and logical: own vCPUs, the machine's other CPUs, IDs beyond 8 bits, clusters, everybody.
constexpr auto destinations =
    std::to_array<u32>({0,       1,       2,       3,       4,          5,          6,          7,         8,
                        15,      0x7f,    0xfe,    0xff,    0x100,      0x101,      0x104,      0x1ff,     0xffff,
                        0x10001, 0x10002, 0x1000f, 0x1ffff, 0x7fffffff, 0xffff0001, 0xfffffffe, 0xffffffff});
constexpr auto vectors = std::to_array<u8>({2, 0x20, 0xff});

volatile u64 nmis, interrupts;

constexpr u64 init_mode = 5;
constexpr u64 mode_of(u64 command) { return command >> 8 & 7; }
constexpr bool is_assert(u64 command) { return (command >> 14 & 1) != 0; }

/// An INIT that may mean the sender resets this machine: that is another group.
bool may_reset(u64 command, u64 destination) {
    const u64 shorthand = command >> 18 & 3;
    const bool is_logical = (command >> 11 & 1) != 0;
    const bool names_first = is_logical ? (destination & 1) != 0 || destination >= 0xff
                                        : destination == 0 || destination == 0xff || destination == 0xffffffff;
    return mode_of(command) == init_mode && is_assert(command) &&
           (shorthand == 1 || shorthand == 2 || (shorthand == 0 && names_first));
}

/// Delivery mode, logical, level, trigger, shorthand.
template <typename Send> void every_form(Group& group, std::string_view what, u32 largest, Send send) {
    for (u64 form = 0; form < 256; ++form) {
        const u64 command = (form & 0xf) << 8 | (form >> 4 & 3) << 14 | (form >> 6) << 18;
        const bool has_shorthand = form >> 6 != 0;
        for (const u32 destination : destinations) {
            if (destination > largest)
                break;
            if (may_reset(command, destination) || (has_shorthand && destination > 0))
                continue;
            for (const u8 vector : vectors)
                group.attempt(
                    ignored | refused, [=] { send(command | vector, destination); }, what, " ", Hex{command | vector},
                    " to ", Hex{destination});
        }
    }
}

[[noreturn]] void listen(u32) {
    sti();
    for (;;)
        asm volatile("hlt");
}

/// Where start-up IPIs of this group lead: CLI, HLT, JMP back.
void write_parked_code() {
    constexpr u8 parked[] = {0xfa, 0xf4, 0xeb, 0xfd};
    for (const u8 vector : vectors)
        for (u64 i = 0; i < sizeof parked; ++i)
            at<u8>((u64{vector} << 12) + i) = parked[i];
}

void take_all() {
    set_handler(nmi, [](Frame&) { nmis = nmis + 1; });
    for (u64 vector = 16; vector < 256; ++vector)
        if (vector != returned)
            set_handler(vector, [](Frame&) {
                interrupts = interrupts + 1;
                if (apic_mode() == apic_base_en)
                    xapic_write(xapic_eoi, 0u);
                else
                    end_of_interrupt();
            });
}

void try_self_ipis(Group& group) {
    for (u64 value = 0; value < 0x200; ++value)
        group.attempt(ignored | refused, [=] { wrmsr(x2apic_self_ipi, value); }, "self-IPI ", Hex{value});
}

/// The timer's entry has no delivery mode, but somebody may write one; with the others nothing is connected.
void try_local_vectors(Group& group) {
    for (u32 entry = x2apic_lvt_timer; entry <= x2apic_lvt_error; ++entry)
        for (u64 form = 0; form < 256; ++form) {
            const u64 value = (form & 7) << 8 | (form >> 3 & 0x1f) << 12 | 0x51;
            group.attempt(
                ignored | refused,
                [=] {
                    wrmsr(entry, value & ~u64{0x700});
                    wrmsr(entry, value);
                },
                "LVT ", Hex{entry}, " = ", Hex{value});
            attempt([=] { wrmsr(entry, lvt_masked); });
        }
}

/// All of the I/O APIC's registers and of its entries' bits, then the UART's interrupt by way of each delivery mode.
void try_io_apic(Group& group) {
    for (u32 index = 0; index < 256; ++index)
        for (const u32 value : {0u, ~0u, 0x5a5a5a5au, 0x00010000u}) {
            if (index % 2 == 0 && (value & 0x700) == 0x500)
                continue;
            group.attempt(ignored, [=] { io_apic_write(index, value); }, "I/O APIC ", Hex{index}, " = ", Hex{value});
        }
    for (u32 pin = 0; pin < 24; ++pin)
        mask_pin(pin);
    for (u32 form = 0; form < 256; ++form) {
        const u32 low = (form & 0xf) << 8 | (form >> 4 & 0xf) << 12;
        for (const u32 destination : {0u, 1u, 2u, 3u, 8u, 0xfu, 0xfeu, 0xffu}) {
            if (mode_of(low) == init_mode)
                continue;
            group.attempt(
                ignored,
                [=] {
                    io_apic_write(redirection(uart_pin) + 1, destination << 24);
                    io_apic_write(redirection(uart_pin), (low & ~io_apic_masked) | 0x52);
                    out8(uart_ier, ier_transmit);
                    out8(uart_ier, 0);
                    mask_pin(uart_pin);
                },
                "pin ", Hex{low}, " to ", destination);
        }
    }
}

void by_x2apic(u64 command, u32 destination) { wrmsr(x2apic_icr, u64{destination} << 32 | command); }
void by_page(u64 command, u32 destination) {
    xapic_write(xapic_icr_high, destination << 24);
    xapic_write(xapic_icr, static_cast<u32>(command));
}

/// An INIT of the first vCPU is a reset of this machine, and of no other.
struct Reset {
    std::string_view what;
    u64 command;
    u32 destination;
};
constexpr auto resets = std::to_array<Reset>({
    {"INIT to itself", icr_init | icr_assert, 0},
    {"INIT to all", icr_init | icr_assert, 0xffffffff},
    {"INIT to all by shorthand", icr_init | icr_assert | 2 << 18, 0},
    {"INIT to its cluster", icr_init | icr_assert | 1 << 11, 0xffff},
    {"INIT to all, level", icr_init | icr_assert | 1 << 15 | 2 << 18, 7},
});

void commit(u64 index) {
    print("attack: ", index, ": ", resets[index].what);
    by_x2apic(resets[index].command, resets[index].destination);
    for (const u64 end = rdtsc() + tsc_hz(); rdtsc() < end;)
        pause();
}

} // namespace

void run() {
    enable_apic();
    take_all();
    if (life() == 1) {
        StartState found;
        check(start_vcpu(1, listen, found), "vCPU 1 does not start");
        write_parked_code();
        Group group("interrupts");
        every_form(group, "x2APIC", ~0u, by_x2apic);
        try_self_ipis(group);
        try_local_vectors(group);
        try_io_apic(group);
        const u64 base = rdmsr(msr_apic_base);
        use_xapic();
        every_form(group, "xAPIC", 0xff, by_page);
        set_apic_mode(base & (apic_base_en | apic_base_extd));
    }
    stop_by_each("INIT of the first", resets.size(), commit);
}

} // namespace bulkhead::guest
