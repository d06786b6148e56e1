// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "guests/lib/acpi.hpp"
#include "guests/lib/apic.hpp"
#include "guests/lib/guest.hpp"
#include "guests/lib/traps.hpp"

// The local APIC that a guest sees is its own: number 0, whatever core it runs on. Interrupts that it sends to itself
// come, in every way to address them; those to others vanish without a trace in it.
namespace bulkhead::guest {

constexpr std::string_view name = GUEST_NAME;

namespace {

constexpr u8 vector = 0x51;
constexpr u8 timer_vector = 0x61;
constexpr u64 nmi_mode = 4 << 8, lowest_priority = 1 << 8, logical = 1 << 11, assert_level = 1 << 14;
constexpr u64 to_self = 1 << 18, to_all = 2 << 18, to_others = 3 << 18;

volatile u64 received;
volatile u64 timer_received;
volatile u64 nmis;
volatile u64 nmi_depth;
volatile u64 nmi_nested;
volatile bool nmi_sends_another;
volatile bool nmi_spoils_return; ///< its IRET takes #GP, whose handler mends the frame
volatile u64 spoiled;
volatile u64 seen_flags;
constexpr u64 no_selector = 0xfff8;
volatile bool in_service;
volatile u64 priority_in_handler;

constexpr u64 to(u32 destination) { return u64{destination} << 32; }

/// Lets what is pending arrive.
void wait_a_moment() {
    sti();
    pm_timer_wait(pm_timer_hz / 1000);
    cli();
}

void expect_interrupts(std::string_view what, u64 icr, u64 expected) {
    const u64 before = received;
    expect_no_fault(what, [=] { wrmsr(x2apic_icr, icr); });
    wait_a_moment();
    check_equal(received - before, expected, what, ": interrupts");
}

void check_registers() {
    check_equal(rdmsr(x2apic_id), 0, "ID");
    check_equal(rdmsr(x2apic_ldr), 1, "LDR: cluster 0, the first of it");
    check_equal(rdmsr(x2apic_version) & 0xf0, 0x10, "version");
    wrmsr(x2apic_svr, 0x1ef);
    check_equal(rdmsr(x2apic_svr), 0x1ef, "SVR");
    wrmsr(x2apic_svr, 0x1ff);
    for (const u32 lvt : {x2apic_lvt_lint0, x2apic_lvt_lint1, x2apic_lvt_error}) {
        const u64 before = rdmsr(lvt);
        wrmsr(lvt, lvt_masked | 0x45);
        check_equal(rdmsr(lvt), lvt_masked | 0x45, "LVT ", Hex{lvt});
        wrmsr(lvt, before | lvt_masked);
    }
    expect_no_fault("clearing the ESR", [] { wrmsr(x2apic_esr, 0); });
    asm volatile("movq %0, %%cr8" : : "r"(u64{3}));
    check_equal(rdmsr(x2apic_tpr), 0x30, "the TPR is CR8");
    wrmsr(x2apic_tpr, 0);
}

void check_interrupts_to_itself() {
    expect_interrupts("physical destination 0", to(0) | vector, 1);
    check_equal(rdmsr(x2apic_icr), to(0) | vector, "ICR reads back");
    expect_interrupts("physical destination 0, level bit", to(0) | assert_level | vector, 1);
    expect_interrupts("logical destination 1", to(1) | logical | vector, 1);
    expect_interrupts("lowest priority", to(1) | logical | lowest_priority | vector, 1);
    expect_interrupts("broadcast", to(0xffffffff) | vector, 1);
    expect_interrupts("shorthand self", to_self | vector, 1);
    expect_interrupts("shorthand all", to_all | vector, 1);
    const u64 before = received;
    wrmsr(x2apic_self_ipi, vector);
    wait_a_moment();
    check_equal(received - before, 1, "SELF_IPI: interrupts");
}

void check_interrupts_to_others() {
    for (const u32 other : {1u, 2u, 5u, 255u, 0x10000u})
        expect_interrupts("physical destination of nobody", to(other) | vector, 0);
    check_equal(rdmsr(x2apic_icr), to(0x10000) | vector, "ICR reads back what went nowhere");
    expect_interrupts("logical destination of nobody", to(0x2) | logical | vector, 0);
    expect_interrupts("logical cluster of nobody", to(0x10001) | logical | vector, 0);
    expect_interrupts("shorthand others", to_others | vector, 0);
    expect_interrupts("INIT to nobody", to(1) | 5 << 8 | assert_level, 0);
    expect_interrupts("SIPI to nobody", to(1) | 6 << 8 | 8, 0);
    expect_interrupts("INIT to all others", to_others | 5 << 8 | assert_level, 0);
    expect_interrupts("NMI to nobody", to(1) | nmi_mode, 0);
    expect_interrupts("a vector below 16", to(0) | 5, 0);
    check_equal(nmis, 0, "NMIs so far");
}

void check_nmi() {
    wrmsr(x2apic_icr, to(0) | nmi_mode);
    wait_a_moment();
    check_equal(nmis, 1, "NMIs after one to physical destination 0");
    wrmsr(x2apic_icr, to_all | nmi_mode);
    wait_a_moment();
    check_equal(nmis, 2, "NMIs after one to all");
    nmi_sends_another = true;
    wrmsr(x2apic_icr, to(0) | nmi_mode);
    wait_a_moment();
    check_equal(nmis, 4, "NMIs after one whose handler sends another");
    nmi_sends_another = true;
    nmi_spoils_return = true;
    wrmsr(x2apic_icr, to(0) | nmi_mode);
    wait_a_moment();
    check_equal(spoiled, 1, "faults of the handler's IRET");
    check_equal(seen_flags & trap_flag, 0, "RFLAGS.TF where it faulted");
    check_equal(nmis, 6, "NMIs after one whose handler sends another and fails to return at first");
    check_equal(nmi_nested, 0, "NMIs inside the NMI handler");
    check_equal(run_code({0x90, 0x90}, Mode::kernel64, {.rflags = trap_flag}).vector, debug_exception,
                "a single step of the guest's own afterwards: vector");
}

void check_priorities() {
    const u64 before = received;
    wrmsr(x2apic_tpr, 0x50); // the class of the vector
    wrmsr(x2apic_self_ipi, vector);
    wait_a_moment();
    check(apic_vector_bit(x2apic_irr, vector) && received == before, "an interrupt below the TPR waits in the IRR");
    wrmsr(x2apic_tpr, 0);
    wait_a_moment();
    check(!apic_vector_bit(x2apic_irr, vector) && received == before + 1, "it comes when the TPR allows it");
    check(in_service, "the ISR shows it in its handler");
    check_equal(priority_in_handler, vector & 0xf0, "the PPR in its handler");
    check(!apic_vector_bit(x2apic_isr, vector), "and not after the EOI");
    for (unsigned i = 0; i < 100; ++i) {
        wrmsr(x2apic_self_ipi, vector);
        sti_hlt();
        cli();
    }
    check_equal(received - before, 101, "HLT wakes by what is pending: interrupts");
}

void check_timer() {
    const u32 millisecond = static_cast<u32>(apic_timer_hz() / 1000);
    start_timer_once(1000 * millisecond, timer_vector);
    const u64 count = rdmsr(x2apic_current_count);
    check(count != 0 && count <= 1000 * millisecond, "the current count: ", count, " of ", 1000 * millisecond);
    wait_a_moment();
    check(rdmsr(x2apic_current_count) < count, "the current count goes down");
    start_timer_once(millisecond, timer_vector);
    // An emulator on a busy host may be late, so wait for the first; then see that there is no second.
    for (unsigned i = 0; i < 5000 && timer_received == 0; ++i)
        wait_a_moment();
    for (unsigned i = 0; i < 5; ++i)
        wait_a_moment();
    check_equal(timer_received, 1, "one-shot: interrupts");
    start_timer_once(millisecond / 10, timer_vector);
    wrmsr(x2apic_lvt_timer, lvt_masked | timer_vector);
    wait_a_moment();
    wait_a_moment();
    check(timer_received <= 2, "masked: interrupts ", u64{timer_received});
    const u64 before = timer_received;
    start_timer(1000, timer_vector);
    while (timer_received < before + 10)
        sti_hlt();
    cli();
    stop_timer();
    wait_a_moment();
    const u64 stopped = timer_received;
    wait_a_moment();
    wait_a_moment();
    check_equal(timer_received, stopped, "interrupts of the stopped timer");
}

/// The frame that IRET refused is on top of the interrupted stack.
void on_refused_return(Frame& frame) {
    check(frame.error == no_selector && spoiled == 0, "#GP ", Hex{frame.error}, " at ", Hex{frame.rip});
    spoiled = spoiled + 1;
    seen_flags = frame.rflags;
    at<u64>(frame.rsp + 8) = KERNEL_CODE64;
}

void on_nmi(Frame& frame) {
    nmis = nmis + 1;
    if (nmi_depth != 0)
        nmi_nested = nmi_nested + 1;
    nmi_depth = nmi_depth + 1;
    if (nmi_sends_another) {
        nmi_sends_another = false;
        wrmsr(x2apic_icr, to(0) | nmi_mode);
        pm_timer_wait(pm_timer_hz / 1000);
    }
    if (nmi_spoils_return) {
        nmi_spoils_return = false;
        frame.cs = no_selector;
    }
    nmi_depth = nmi_depth - 1;
}

} // namespace

void run() {
    enable_apic();
    set_handler(nmi, on_nmi);
    set_handler(general_protection, on_refused_return);
    set_handler(vector, [](Frame&) {
        received = received + 1;
        in_service = apic_vector_bit(x2apic_isr, vector);
        priority_in_handler = rdmsr(x2apic_ppr) & 0xf0;
        end_of_interrupt();
    });
    set_handler(timer_vector, [](Frame&) {
        timer_received = timer_received + 1;
        end_of_interrupt();
    });
    check_registers();
    check_interrupts_to_itself();
    check_interrupts_to_others();
    check_nmi();
    check_priorities();
    check_timer();
}

} // namespace bulkhead::guest
