// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "devices/platform.hpp"
#include "guests/lib/apic.hpp"
#include "guests/lib/devices.hpp"
#include "guests/lib/guest.hpp"
#include "guests/lib/hypercall.hpp"
#include "guests/lib/traps.hpp"
#include "guests/lib/vcpus.hpp"

// One exit after the other, of each kind that a well-behaved kernel has, until the power button is pressed: what each
// gives must be the same in every round, and the interrupts and NMIs that it sends itself must come, one for one,
// whatever is done to the hypervisor meanwhile. With a second vCPU the NMIs come from there, each when the one before
// it has arrived.
namespace bulkhead::guest {

constexpr std::string_view name = GUEST_NAME;

namespace {

constexpr u8 button_vector = 0x41, own_vector = 0x42;
constexpr u16 absent_port = 0x80;

bool alone; ///< it has one vCPU
volatile bool is_over;
volatile u64 interrupts, nmis, sent;

void exit_by_each(u64 round) {
    const CpuidResult processor = cpuid(0);
    check(processor.eax != 0, "CPUID 0 in round ", round);
    check_equal(hypercall(~u64{0}), not_implemented, "a hypercall in round ", round);
    check_equal(in8(absent_port), 0xff, "an absent port in round ", round);
    out8(uart_scratch, static_cast<u8>(round));
    check_equal(in8(uart_scratch), static_cast<u8>(round), "a port in round ", round);
    check_equal(rdmsr(x2apic_id), 0, "an MSR in round ", round);
    check_equal(io_apic_read(io_apic_version) & 0xff, 0x20, "memory of a device in round ", round);
    asm volatile("wbinvd" : : : "memory");
    wrmsr(x2apic_icr, icr_to(0) | icr_assert | own_vector);
    if (alone)
        wrmsr(x2apic_icr, icr_to(0) | icr_assert | icr_nmi);
}

/// One NMI after the other for the first vCPU.
void send_nmis(u32) {
    const u64 patience = 5 * tsc_hz();
    for (bool arrives = true; arrives && !is_over; sent = sent + 1) {
        const u64 before = nmis, begin = rdtsc();
        wrmsr(x2apic_icr, icr_to(0) | icr_assert | icr_nmi);
        while (arrives && nmis == before && !is_over)
            arrives = rdtsc() - begin < patience;
        check(arrives, "an NMI did not arrive");
    }
    for (;;)
        asm volatile("cli; hlt");
}

} // namespace

/// A debugger's breakpoint: each round begins here.
extern "C" [[gnu::noinline]] void exits_round() { asm volatile(""); }

void run() {
    enable_apic();
    set_handler(button_vector, [](Frame&) {
        is_over = true;
        end_of_interrupt();
    });
    set_handler(own_vector, [](Frame&) {
        interrupts = interrupts + 1;
        end_of_interrupt();
    });
    set_handler(nmi, [](Frame&) { nmis = nmis + 1; });
    route_pin(platform::button_pin, button_vector);
    alone = vcpu_count() == 1;
    StartState found{};
    check(alone || start_vcpu(1, send_nmis, found), "the second vCPU starts");
    sti();
    print("one exit after the other");
    for (const u64 begin = rdtsc(), pause_for = tsc_hz() / 5; rdtsc() - begin < pause_for;) // it is on the console then
        pause();
    u64 rounds = 0;
    for (; !is_over; ++rounds) {
        exits_round();
        exit_by_each(rounds);
        for (unsigned wait = 0; wait < 1'000'000 && (interrupts <= rounds || (alone && nmis <= rounds)); ++wait)
            pause();
    }
    cli();
    check_equal(interrupts, rounds, "interrupts from itself");
    check(alone ? nmis == rounds : nmis - sent <= 1, "NMIs: ", u64{nmis}, " in ", rounds, " rounds, ", u64{sent},
          " sent");
    Line<60> note;
    note << rounds << " rounds, " << u64{nmis} << " NMIs";
    finish(note.view());
}

} // namespace bulkhead::guest
