// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "guests/lib/acpi.hpp"
#include "guests/lib/apic.hpp"
#include "guests/lib/devices.hpp"
#include "guests/lib/guest.hpp"
#include "guests/lib/hypercall.hpp"
#include "guests/lib/traps.hpp"
#include "guests/lib/vcpus.hpp"

// A guest of several vCPUs: they start as after an INIT, take interrupts and NMIs from each other, none more and none
// less than were sent, and nothing of a vCPU's old life arrives in its next one.
namespace bulkhead::guest {

constexpr std::string_view name = GUEST_NAME;

namespace {

constexpr u8 vector = 0x51;
constexpr u8 unended_vector = 0x52;
constexpr u8 tick_vector = 0x53;
constexpr u8 low_vector = 17; // legal for an interrupt (SDM 3A 11.5.2), and an exception with an error code
constexpr u64 nmi_mode = 4 << 8, lowest_priority = 1 << 8, logical = 1 << 11, init_deassert = 5 << 8 | 1 << 15;
constexpr u64 to_all = 2 << 18, to_others = 3 << 18;
constexpr u32 nobody = 200;
constexpr u64 rounds = 200;

struct alignas(64) State {
    State* self;
    volatile u64 interrupts;
    volatile u64 nmis;
    volatile u64 alive; ///< counts while it runs
    volatile u64 unexpected;
    volatile u64 exits; ///< what the interrupts of an interval cost
    volatile bool in_unended;
    volatile bool done;
};
State states[max_vcpus];
bool was_started[max_vcpus];
u32 count;

void own_state_is(State& state) {
    constexpr u32 gs_base = 0xc0000101;
    state.self = &state;
    wrmsr(gs_base, reinterpret_cast<u64>(&state));
}
/// Without an exit.
State& own_state() {
    State* state;
    asm volatile("movq %%gs:0, %0" : "=r"(state));
    return *state;
}

void milliseconds(u32 number) { pm_timer_wait(number * (pm_timer_hz / 1000)); }

bool wait_until(auto&& condition) {
    for (unsigned waited = 0; waited < 1000; ++waited) {
        if (condition())
            return true;
        milliseconds(1);
    }
    return condition();
}

/// Takes interrupts and NMIs, and counts.
void work(u32 id) {
    own_state_is(states[id]);
    for (;;) {
        sti();
        own_state().alive = own_state().alive + 1;
        pause();
    }
}

void measure(u32 id) {
    own_state_is(states[id]);
    milliseconds(10); // what started it may be a signal that comes late
    const u64 before = exit_count();
    const u64 start = own_state().interrupts;
    own_state().alive = 1;
    sti();
    while (own_state().interrupts - start < rounds)
        pause();
    cli();
    own_state().exits = exit_count() - before;
    own_state().done = true;
    for (;;)
        pause();
}

/// Leaves everything unfinished: one interrupt in service, others pending, an NMI, the timer running.
void leave_unfinished(u32 id) {
    own_state_is(states[id]);
    start_timer(1000, tick_vector);
    own_state().alive = 1;
    sti();
    for (;;)
        pause();
}

/// Whether anything is left of the life before.
void look_for_remains(u32 id) {
    own_state_is(states[id]);
    u64 found = 0;
    for (u32 i = 0; i < 8; ++i) {
        found += rdmsr(x2apic_isr + i) != 0 ? 1 : 0;
        found += rdmsr(x2apic_irr + i) != 0 ? 1 : 0;
    }
    found += rdmsr(x2apic_current_count) != 0 ? 1 : 0;
    found += (rdmsr(x2apic_lvt_timer) & lvt_masked) == 0 ? 1 : 0;
    found += rdmsr(x2apic_tpr) != 0 ? 1 : 0;
    sti();
    milliseconds(20);
    cli();
    own_state().unexpected = found + own_state().interrupts + own_state().nmis;
    own_state().done = true;
    for (;;)
        pause();
}

void start(u32 id, void (*function)(u32), std::string_view what, bool with_init = true) {
    states[id].alive = 0;
    states[id].interrupts = 0;
    states[id].nmis = 0;
    states[id].done = false;
    states[id].in_unended = false;
    StartState found{};
    check(start_vcpu(id, function, found, with_init), what, ": vCPU ", id, " starts");
    check_equal(found.edx, cpuid(1).eax, what, ": EDX");
    check_equal(found.cr0, was_started[id] ? 0x10 : 0x60000010, what, ": CR0"); // an INIT leaves CD and NW alone
    // QEMU's TCG looks at the intercept of CR0 reads for every control register: CR4.MCE, really 1, shows through.
    check_equal(found.cr4 & ~u64{0x40}, 0, what, ": CR4");
    check_equal(found.cs, u64{start_page} << 8, what, ": CS");
    check_equal(found.efer, 0, what, ": EFER");
    was_started[id] = true;
}

void start_all(void (*function)(u32), std::string_view what) {
    for (u32 id = 1; id < count; ++id)
        start(id, function, what);
    for (u32 id = 1; id < count; ++id)
        check(wait_until([id] { return states[id].alive != 0; }), what, ": vCPU ", id, " is at work");
}

/// Each vCPU that `expects` gets just one; the others none.
void expect_interrupt(std::string_view what, u64 icr, auto&& expects) {
    u64 before[max_vcpus];
    for (u32 id = 0; id < count; ++id)
        before[id] = states[id].interrupts;
    sti();
    wrmsr(x2apic_icr, icr | vector);
    wait_until([&] {
        for (u32 id = 0; id < count; ++id)
            if (expects(id) && states[id].interrupts == before[id])
                return false;
        return true;
    });
    milliseconds(2);
    cli();
    for (u32 id = 0; id < count; ++id)
        check_equal(states[id].interrupts - before[id], expects(id) ? 1 : 0, what, ": interrupts of vCPU ", id);
}

void check_destinations() {
    for (u32 target = 0; target < count; ++target) {
        expect_interrupt("physical", icr_to(target), [=](u32 id) { return id == target; });
        expect_interrupt("logical", icr_to(target >> 4 << 16 | 1u << (target & 15)) | logical,
                         [=](u32 id) { return id == target; });
    }
    expect_interrupt("a cluster", icr_to(0xffff) | logical, [](u32 id) { return id < 16; });
    expect_interrupt("lowest priority", icr_to(0x1) | logical | lowest_priority, [](u32 id) { return id == 0; });
    expect_interrupt("broadcast", icr_to(~0u), [](u32) { return true; });
    expect_interrupt("all", to_all, [](u32) { return true; });
    expect_interrupt("others", to_others, [](u32 id) { return id != 0; });
    expect_interrupt("nobody", icr_to(nobody), [](u32) { return false; });
}

void check_nmis() {
    for (u32 id = 1; id < count; ++id) {
        const u64 before = states[id].nmis;
        u64 lost = 0;
        for (u64 i = 1; i <= rounds; ++i) {
            wrmsr(x2apic_icr, icr_to(id) | nmi_mode);
            if (!wait_until([=] { return states[id].nmis >= before + i; }))
                ++lost;
        }
        check_equal(lost, 0, "NMIs lost by vCPU ", id);
        milliseconds(2);
        check_equal(states[id].nmis - before, rounds, "NMIs of vCPU ", id);
    }
    check_equal(states[0].nmis, 0, "NMIs of the sender");
}

/// A pin of the I/O APIC that is level-triggered, for vCPU 1: after each EOI there it interrupts again while the line
/// is high. That EOIs cost nothing afterwards is for check_costs() to find.
void check_level() {
    constexpr u32 level = 1 << 15;
    const u64 before = states[1].interrupts;
    out8(uart_mcr, mcr_out2 | 3);
    io_apic_write(redirection(uart_pin) + 1, 1 << 24);
    io_apic_write(redirection(uart_pin), level | vector);
    out8(uart_ier, ier_transmit);
    check(wait_until([=] { return states[1].interrupts - before >= 20; }),
          "a line that stays high: ", states[1].interrupts - before, " interrupts");
    in8(uart_iir); // lowers it
    milliseconds(100);
    const u64 after = states[1].interrupts;
    milliseconds(10);
    check_equal(states[1].interrupts, after, "interrupts of a line that is low");
    out8(uart_ier, 0);
    mask_pin(uart_pin);
}

void check_start_and_stop() {
    const u32 last = count - 1;
    const u64 before = states[last].alive;
    send_start_up(last); // it waits for none
    wrmsr(x2apic_icr, icr_to(last) | init_deassert);
    check(wait_until([=] { return states[last].alive > before + 100; }), "what does nothing to a running vCPU");
    send_init(last);
    milliseconds(5);
    const u64 stopped = states[last].alive;
    wrmsr(x2apic_icr, icr_to(last) | vector); // none is taken while it waits, nor later
    wrmsr(x2apic_icr, icr_to(last) | nmi_mode);
    milliseconds(5);
    check_equal(states[last].alive, stopped, "a vCPU that waits for a start-up IPI runs");
    start(last, look_for_remains, "after an INIT", false);
    check(wait_until([=] { return states[last].done; }), "after an INIT: it comes to its end");
    check_equal(states[last].unexpected, 0, "what came of the time before");
}

void check_remains() {
    for (u32 id = 1; id < count; ++id) {
        start(id, leave_unfinished, "unfinished");
        check(wait_until([=] { return states[id].alive != 0; }), "unfinished: vCPU ", id, " is at work");
        wrmsr(x2apic_icr, icr_to(id) | unended_vector);
        check(wait_until([=] { return states[id].in_unended; }), "unfinished: in the handler");
        for (const u8 pending : {vector, low_vector, tick_vector})
            wrmsr(x2apic_icr, icr_to(id) | pending);
        start(id, look_for_remains, "a new life");
        check(wait_until([=] { return states[id].done; }), "a new life: vCPU ", id, " comes to its end");
        check_equal(states[id].unexpected, 0, "remains of the old life of vCPU ", id);
    }
}

/// An interrupt between vCPUs costs its sender one exit, and its receiver none.
void check_costs() {
    start(1, measure, "costs");
    check(wait_until([] { return states[1].alive != 0; }), "costs: it is at work");
    u64 exits = 0;
    for (u64 i = 1; i <= rounds; ++i) {
        const u64 before = exit_count();
        wrmsr(x2apic_icr, icr_to(1) | vector);
        exits += exit_count() - before - 1;
        while (states[1].interrupts < i)
            pause();
    }
    check(wait_until([] { return states[1].done; }), "costs: measured");
    check_equal(exits, rounds, "exits of who sends");
    check_equal(states[1].exits - 1, 0, "exits of who receives");
}

} // namespace

void run() {
    count = vcpu_count();
    check_equal(count, command_line_number("cpus", 2), "vCPUs in the MADT");
    install_traps();
    enable_apic();
    own_state_is(states[0]);
    set_handler(vector, [](Frame&) {
        own_state().interrupts = own_state().interrupts + 1;
        end_of_interrupt();
    });
    set_handler(unended_vector, [](Frame&) {
        own_state().in_unended = true;
        for (;;)
            pause();
    });
    const auto unexpected = [](Frame&) {
        own_state().interrupts = own_state().interrupts + 1;
        end_of_interrupt();
    };
    set_handler(tick_vector, unexpected);
    set_handler(low_vector, unexpected);
    set_handler(nmi, [](Frame&) { own_state().nmis = own_state().nmis + 1; });
    start_all(work, "start");
    check_destinations();
    check_nmis();
    check_level();
    check_start_and_stop();
    check_remains();
    check_costs();
    start_all(work, "start once more");
}

} // namespace bulkhead::guest
