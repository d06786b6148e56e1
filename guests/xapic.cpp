// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "guests/lib/xapic.hpp"

#include "guests/lib/acpi.hpp"
#include "guests/lib/guest.hpp"
#include "guests/lib/hypercall.hpp"
#include "guests/lib/traps.hpp"
#include "guests/lib/vcpus.hpp"

// The local APIC's modes: every step between them, and that the steps which do not exist fault; as an xAPIC it works by
// its page alone, towards the vCPU itself and towards another one, and what of it is there depends on the mode.
namespace bulkhead::guest {

constexpr std::string_view name = GUEST_NAME;

namespace {

constexpr u8 vector = 0x51;
constexpr u8 timer_vector = 0x61;
constexpr u32 logical = 1 << 11, lowest_priority = 1 << 8, nmi_mode = 4 << 8, level_assert = 1 << 14;
constexpr u32 to_self = 1 << 18, to_all = 2 << 18, to_others = 3 << 18;
constexpr u64 x2apic_mode = apic_base_en | apic_base_extd;
constexpr u64 modes[] = {0, apic_base_en, x2apic_mode};
constexpr u32 absent = ~0u;

struct State {
    State* self;
    volatile u64 interrupts;
    volatile u64 nmis;
    volatile u64 timer;
    volatile u64 alive;
};
State states[2];
volatile bool by_page; ///< how the interrupts that come are ended
volatile bool in_handler;
volatile bool disables;
volatile u64 base_after_init;

void end() {
    if (by_page)
        xapic_write(xapic_eoi, 0);
    else
        end_of_interrupt();
}

void milliseconds(u32 number) { pm_timer_wait(number * (pm_timer_hz / 1000)); }
void wait_a_moment() {
    sti();
    milliseconds(2);
    cli();
}

void own_state_is(State& state) {
    constexpr u32 gs_base = 0xc0000101;
    state.self = &state;
    wrmsr(gs_base, reinterpret_cast<u64>(&state));
}
/// Without an exit, and without the APIC.
State& own_state() {
    State* state;
    asm volatile("movq %%gs:0, %0" : "=r"(state));
    return *state;
}

std::string_view name_of(u64 mode) {
    if (mode == 0)
        return "disabled";
    return mode == apic_base_en ? "xAPIC" : "x2APIC";
}

/// By legal steps.
void go_to(u64 mode) {
    if (apic_mode() == mode)
        return;
    if (apic_mode() == x2apic_mode || mode == 0)
        set_apic_mode(0);
    if (mode == 0)
        return;
    if (apic_mode() == 0)
        set_apic_mode(apic_base_en);
    if (mode == x2apic_mode)
        set_apic_mode(mode);
}

void check_steps() {
    for (const u64 from : modes) {
        for (const u64 to : {u64{0}, apic_base_en, apic_base_extd, x2apic_mode}) {
            const bool illegal =
                to == apic_base_extd || (from == x2apic_mode && to == apic_base_en) || (from == 0 && to == x2apic_mode);
            go_to(from);
            const Frame frame = attempt([=] { set_apic_mode(to); });
            check(frame.vector == (illegal ? general_protection : returned), name_of(from), " to ", Hex{to},
                  ": vector ", frame.vector);
            check_equal(apic_mode(), illegal ? from : to, "the mode after ", name_of(from), " to ", Hex{to});
            check_equal(cpuid(1).edx >> 9 & 1, apic_mode() != 0 ? 1 : 0, "CPUID 1 EDX.APIC in mode ",
                        name_of(apic_mode()));
        }
        go_to(from);
        const u64 base = rdmsr(msr_apic_base);
        check_equal(base & ~u64{0xc00}, 0xfee00000 | 1 << 8, "the base in mode ", name_of(from));
        for (const u64 other :
             {u64{1}, u64{1} << 8, u64{1} << 9, u64{1} << 12, u64{1} << 20, u64{1} << 35, u64{1} << 63})
            expect_fault(general_protection, 0, "a bit of the base that stays",
                         [=] { wrmsr(msr_apic_base, base ^ other); });
    }
}

/// Every MSR of the x2APIC faults, those too that a guest otherwise reaches without an exit.
void check_no_msrs() {
    u64 faults = 0;
    for (u32 number = 0x800; number < 0x900; ++number) {
        faults += attempt([=] { rdmsr(number); }).vector == general_protection ? 1 : 0;
        faults += attempt([=] { wrmsr(number, 0); }).vector == general_protection ? 1 : 0;
    }
    faults += attempt([] { wrmsr(x2apic_icr, to_self | vector); }).vector == general_protection ? 1 : 0;
    faults += attempt([] { wrmsr(x2apic_self_ipi, vector); }).vector == general_protection ? 1 : 0;
    check_equal(faults, 514, "accesses of x2APIC MSRs that fault as ", name_of(apic_mode()));
}

void check_no_page() {
    for (u32 offset = 0; offset < 0x1000; offset += 16)
        if (xapic_read(offset) != absent)
            return check(false, "the page as ", name_of(apic_mode()), " has something at ", Hex{offset});
    xapic_write(xapic_ldr, 0x1000000);
    xapic_write(xapic_icr, to_self | vector);
    const u64 before = states[0].interrupts;
    wait_a_moment();
    check_equal(states[0].interrupts, before, "interrupts by a page that is not there");
}

void check_registers() {
    check_equal(xapic_read(xapic_id), 0, "ID");
    check_equal(xapic_read(xapic_version) & 0xf0, 0x10, "version");
    check_equal(xapic_read(xapic_ldr), 0, "LDR after a reset");
    check_equal(xapic_read(xapic_dfr), ~0u, "DFR after a reset");
    check_equal(xapic_read(xapic_svr), 0xff, "SVR after a reset");
    xapic_write(xapic_id, 0x05000000);
    check_equal(xapic_read(xapic_id), 0, "ID, which is read-only");
    xapic_write(xapic_ldr, 0xffffffff);
    check_equal(xapic_read(xapic_ldr), 0xff000000, "LDR");
    xapic_write(xapic_dfr, 0);
    check_equal(xapic_read(xapic_dfr), 0x0fffffff, "DFR: cluster");
    xapic_write(xapic_dfr, 0xffffffff);
    check_equal(xapic_read(xapic_dfr), 0xffffffff, "DFR: flat");
    xapic_write(xapic_ldr, 0x01000000);
    xapic_write(xapic_svr, 0x1ef);
    check_equal(xapic_read(xapic_svr), 0x1ef, "SVR");
    xapic_write(xapic_svr, 0xffffffff);
    check_equal(xapic_read(xapic_svr), 0x1ff, "SVR, reserved bits");
    for (const u32 lvt : {xapic_lvt_lint0, xapic_lvt_error}) {
        xapic_write(lvt, u32{lvt_masked} | 0x45);
        check_equal(xapic_read(lvt), lvt_masked | 0x45, "LVT ", Hex{lvt});
    }
    xapic_write(xapic_esr, 0);
    asm volatile("movq %0, %%cr8" : : "r"(u64{3}));
    check_equal(xapic_read(xapic_tpr), 0x30, "the TPR is CR8");
    xapic_write(xapic_tpr, 0);
    for (const u32 reserved : {0x0u, 0x10u, 0x40u, 0x2f0u, 0x3f0u, 0x400u, 0xff0u}) {
        xapic_write(reserved, ~0u);
        check_equal(xapic_read(reserved), 0, "nothing at ", Hex{reserved});
    }
    // SDM 3A 11.4.1 leaves other accesses undefined: here they do nothing.
    xapic_write<u8>(xapic_ldr + 3, 0x55);
    xapic_write<u64>(xapic_ldr, ~u64{0});
    xapic_write<u32>(xapic_ldr + 4, ~0u);
    check_equal(xapic_read(xapic_ldr), 0x01000000, "LDR after accesses of other sizes");
    check_equal(xapic_read<u8>(xapic_ldr + 3) + xapic_read<u64>(xapic_ldr) + xapic_read(xapic_ldr + 4), 0,
                "reads of other sizes");
}

void check_timer() {
    const u64 before = states[0].timer;
    xapic_write(xapic_divide, 0xb);
    xapic_write(xapic_lvt_timer, u32{lvt_periodic} | timer_vector);
    xapic_write(xapic_initial_count, static_cast<u32>(apic_timer_hz() / 250));
    check(xapic_read(xapic_current_count) != 0, "the timer counts");
    sti();
    const u64 start = rdtsc();
    u64 waited = 0; // more than 80 ms where the machine is emulated by a busy one
    while (states[0].timer - before < 20 && waited < 5000)
        waited = (rdtsc() - start) * 1000 / tsc_hz();
    cli();
    const u64 ticks = states[0].timer - before;
    check(ticks >= 20 && waited >= 70, ticks, " ticks in ", waited, " ms");
    xapic_write(xapic_initial_count, 0);
    xapic_write(xapic_lvt_timer, u32{lvt_masked});
    wait_a_moment();
    xapic_write(xapic_lvt_timer, 0x60000 | timer_vector); // a mode that no CPU has
    xapic_write(xapic_lvt_timer, u32{lvt_masked});
}

/// What `first` and the other vCPU get of one write to the ICR.
void expect_interrupts(std::string_view what, u32 destination, u32 icr, u64 first, u64 second) {
    const u64 before[] = {states[0].interrupts, states[1].interrupts};
    xapic_write(xapic_icr_high, destination << 24);
    xapic_write(xapic_icr, icr | vector);
    wait_a_moment();
    for (unsigned i = 0; states[1].interrupts - before[1] < second && i < 100; ++i)
        milliseconds(1);
    check_equal(states[0].interrupts - before[0], first, what, ": interrupts of vCPU 0");
    check_equal(states[1].interrupts - before[1], second, what, ": interrupts of vCPU 1");
}

void check_own_interrupts() {
    expect_interrupts("physical destination 0", 0, 0, 1, 0);
    check_equal(xapic_read(xapic_icr), vector, "ICR reads back");
    expect_interrupts("physical destination of nobody", 7, 0, 0, 0);
    check_equal(xapic_read(xapic_icr_high), 0x07000000, "ICR's upper half reads back");
    expect_interrupts("a reserved delivery mode", 0, 3 << 8, 0, 0);
    expect_interrupts("shorthand self, reserved bits", 7, to_self | 0xfff32000, 1, 0);
    xapic_write(xapic_icr, to_self | vector);
    check_equal(xapic_read(xapic_irr + vector / 32 * 16) >> vector % 32 & 1, 1, "IRR");
    wait_a_moment();
    check_equal(xapic_read(xapic_irr + vector / 32 * 16), 0, "IRR afterwards");
    check_equal(xapic_read(xapic_isr + vector / 32 * 16), 0, "ISR after the interrupt's end");
    check(in_handler, "ISR in the handler");
    const u64 nmis = states[0].nmis;
    xapic_write(xapic_icr_high, 0);
    xapic_write(xapic_icr, nmi_mode);
    wait_a_moment();
    check_equal(states[0].nmis - nmis, 1, "NMIs to itself");
}

/// Counts what comes, as an xAPIC with the logical ID 2; for a while with the APIC disabled.
void work(u32 id) {
    own_state_is(states[id]);
    base_after_init = found_apic_base;
    use_xapic();
    xapic_write(xapic_ldr, 0x02000000);
    for (;;) {
        sti();
        if (disables != (apic_mode() == 0)) {
            go_to(disables ? 0 : apic_base_en);
            if (!disables) {
                xapic_write(xapic_svr, 0x1ff);
                xapic_write(xapic_ldr, 0x02000000);
            }
        }
        states[1].alive = states[1].alive + 1;
        pause();
    }
}

bool wait_until(auto&& condition) {
    for (unsigned waited = 0; waited < 1000 && !condition(); ++waited)
        milliseconds(1);
    return condition();
}

bool second_is_at_work() {
    const u64 before = states[1].alive;
    return wait_until([=] { return states[1].alive > before + 2; });
}

void start_second(u64 expected_base) {
    start_vcpu_by_page(1, work);
    check(second_is_at_work(), "vCPU 1 is at work");
    check_equal(base_after_init, expected_base, "its base as it starts");
}

void nmi_to_second(std::string_view what) {
    const u64 before = states[1].nmis;
    xapic_write(xapic_icr_high, 1 << 24);
    xapic_write(xapic_icr, nmi_mode | level_assert);
    check(wait_until([=] { return states[1].nmis != before; }), what);
    milliseconds(2);
    check_equal(states[1].nmis - before, 1, what);
}

void check_second() {
    start_second(0xfee00c00);
    expect_interrupts("physical destination 1", 1, 0, 0, 1);
    expect_interrupts("physical broadcast", 0xff, 0, 1, 1);
    expect_interrupts("flat, vCPU 0", 1, logical, 1, 0);
    expect_interrupts("flat, vCPU 1", 2, logical, 0, 1);
    expect_interrupts("flat, both", 3, logical, 1, 1);
    expect_interrupts("flat, nobody", 4, logical, 0, 0);
    expect_interrupts("logical broadcast", 0xff, logical, 1, 1);
    expect_interrupts("lowest priority", 2, logical | lowest_priority, 0, 1);
    expect_interrupts("all", 7, to_all, 1, 1);
    expect_interrupts("others", 7, to_others, 0, 1);
    xapic_write(xapic_dfr, 0);
    xapic_write(xapic_ldr, 0x21000000);
    expect_interrupts("cluster 2, vCPU 0", 0x21, logical, 1, 0);
    expect_interrupts("cluster 2, another member", 0x22, logical, 0, 1); // vCPU 1 is flat: its LDR has bit 1
    expect_interrupts("cluster 1", 0x11, logical, 0, 0);
    xapic_write(xapic_dfr, ~0u);
    xapic_write(xapic_ldr, 0x01000000);
    nmi_to_second("NMI to vCPU 1");

    disables = true;
    check(second_is_at_work(), "vCPU 1 goes on with its APIC off");
    expect_interrupts("to a disabled APIC", 1, 0, 0, 0);
    expect_interrupts("broadcast beside a disabled APIC", 0xff, 0, 1, 0);
    nmi_to_second("NMI to a disabled APIC");
    disables = false;
    check(second_is_at_work(), "vCPU 1 goes on with its APIC on");
    expect_interrupts("to an APIC that was off", 1, 0, 0, 1);

    start_second(0xfee00800); // an INIT leaves the mode alone (SDM 3A 11.12.5.1)
    expect_interrupts("after an INIT", 1, 0, 0, 1);
}

void check_back_in_x2apic() {
    set_apic_mode(x2apic_mode);
    by_page = false;
    check_equal(rdmsr(x2apic_svr), 0x1ff, "SVR as the xAPIC's");
    check_equal(rdmsr(x2apic_ldr), 1, "LDR is the x2APIC's");
    check_equal(rdmsr(x2apic_icr) >> 32, 0, "ICR's upper half");
    check_no_page();
    const u64 before = states[0].interrupts;
    wrmsr(x2apic_icr, vector);
    wait_a_moment();
    check_equal(states[0].interrupts - before, 1, "an interrupt by the ICR");
    const u64 exits = exit_count();
    wrmsr(x2apic_self_ipi, vector);
    sti();
    while (states[0].interrupts - before < 2)
        pause();
    cli();
    check_equal(exit_count() - exits - 1, 0, "exits of a self-IPI, its EOI included");
}

} // namespace

void run() {
    install_traps();
    enable_apic();
    own_state_is(states[0]);
    set_handler(vector, [](Frame&) {
        State& own = own_state();
        if (&own == &states[0] && by_page)
            in_handler = (xapic_read(xapic_isr + vector / 32 * 16) >> vector % 32 & 1) != 0;
        own.interrupts = own.interrupts + 1;
        end();
    });
    set_handler(timer_vector, [](Frame&) {
        states[0].timer = states[0].timer + 1;
        end();
    });
    set_handler(nmi, [](Frame&) { own_state().nmis = own_state().nmis + 1; });
    check_no_page();
    check_steps();
    go_to(0);
    check_no_page();
    check_no_msrs();
    go_to(apic_base_en);
    check_no_msrs();
    check_registers();
    by_page = true;
    check_timer();
    check_own_interrupts();
    check_second();
    check_back_in_x2apic();
}

} // namespace bulkhead::guest
