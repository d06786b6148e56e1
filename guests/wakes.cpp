// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include <atomic>

#include "guests/lib/apic.hpp"
#include "guests/lib/devices.hpp"
#include "guests/lib/guest.hpp"
#include "guests/lib/traps.hpp"
#include "guests/lib/vcpus.hpp"

// Every wake-up arrives: vCPUs that halt whenever they have nothing to do pass a ball around, with one IPI and no
// second one. Who has it also waits in HLT for its timer, for an IPI to itself, or for the UART to have sent a byte, or
// has the hypervisor interrupt all of them by its own signal. One interrupt that is lost, and the guest stands still.
namespace bulkhead::guest {

constexpr std::string_view name = GUEST_NAME;

namespace {

constexpr u8 ball_vector = 0x51, tick_vector = 0x52, self_vector = 0x53, uart_vector = 0x54, spare_vector = 0x55;
constexpr u32 spare_pin = 10;
constexpr u32 level = 1 << 15;

std::atomic<u64> passes; ///< so often was it passed: the vCPU of this number, modulo all, has it
u64 rounds, longest_tick;
u32 players;

struct alignas(64) Player {
    volatile bool ticked, called;
};
Player player[max_vcpus];
volatile bool sent;

Player& own() { return player[rdmsr(x2apic_id)]; }

/// As an idle loop does it: what is asked for with interrupts off cannot come between the question and HLT.
void sleep_until(auto&& condition) {
    cli();
    while (!condition()) {
        sti_hlt();
        cli();
    }
    sti();
}

void do_something(u32 id, u64 number) {
    switch (number % 4) {
    case 0:
        player[id].ticked = false;
        start_timer_once(static_cast<u32>(number * 7919 % longest_tick) + 1, tick_vector);
        return sleep_until([id] { return player[id].ticked; });
    case 1:
        player[id].called = false;
        wrmsr(x2apic_self_ipi, self_vector);
        return sleep_until([id] { return player[id].called; });
    case 2:
        if (id != 0) // who has the UART's interrupt
            return;
        sent = false;
        out8(uart_data, 0); // nothing on any console
        return sleep_until([] { return sent; });
    default: // the EOIs of all vCPUs exit, and no longer: each is told, and is awake when it is told again
        for (const u32 entry : {u32{spare_vector}, io_apic_masked, u32{spare_vector}, io_apic_masked}) {
            io_apic_write(redirection(spare_pin), level | entry);
            for (u64 i = number * 31 % 1024; i != 0; --i)
                asm volatile("");
        }
        return;
    }
}

void play(u32 id) {
    for (;;) {
        sleep_until([id] { return passes.load() % players == id || passes.load() >= rounds; });
        const u64 number = passes.load();
        if (number < rounds)
            do_something(id, number / players);
        passes.store(number + 1);
        wrmsr(x2apic_icr, icr_to((id + 1) % players) | ball_vector);
        if (number >= rounds)
            return;
    }
}

void play_along(u32 id) {
    play(id);
    for (;;)
        asm volatile("cli; hlt");
}

} // namespace

void run() {
    rounds = command_line_number("rounds", 10000);
    players = vcpu_count();
    enable_apic();
    longest_tick = apic_timer_hz() / 20000;
    set_handler(ball_vector, [](Frame&) { end_of_interrupt(); });
    set_handler(tick_vector, [](Frame&) {
        own().ticked = true;
        end_of_interrupt();
    });
    set_handler(self_vector, [](Frame&) {
        own().called = true;
        end_of_interrupt();
    });
    set_handler(uart_vector, [](Frame&) {
        if ((in8(uart_iir) & iir_cause) == iir_transmit)
            sent = true;
        end_of_interrupt();
    });
    for (u32 id = 1; id < players; ++id) {
        StartState found{};
        check(start_vcpu(id, play_along, found), "vCPU ", id, " starts");
    }
    print("the ball is in play");
    route_pin(uart_pin, uart_vector);
    out8(uart_mcr, mcr_out2 | 3);
    out8(uart_ier, ier_transmit);
    play(0);
    out8(uart_ier, 0);
    check(passes.load() > rounds, "the ball stands still");
}

} // namespace bulkhead::guest
