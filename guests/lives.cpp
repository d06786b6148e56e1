// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "devices/platform.hpp"
#include "guests/lib/apic.hpp"
#include "guests/lib/guest.hpp"
#include "guests/lib/hypercall.hpp"
#include "guests/lib/power.hpp"
#include "guests/lib/traps.hpp"
#include "guests/lib/vcpus.hpp"

// A guest that ends each of its lives in another way, and as untidy as it can: nothing of one may be found in the next.
// `lives=` says how many there are. Who types "restart" when it asks for that is part of the test.
namespace bulkhead::guest {

constexpr std::string_view name = GUEST_NAME;

namespace {

constexpr u64 marked = 0x1600000; // anywhere in its memory
constexpr u64 mark = 0x4f4c442d4c494645;
constexpr u8 exception_like_vector = 17; // an exception that expects an error code has it, too
constexpr u8 served_vector = 0x60, timer_vector = 0x61, other_vector = 0x71, spurious_vector = 0xff;
constexpr u64 tick_hz = 1000;

volatile u64 interrupts;
volatile u64 nmis;

constexpr u64 cr4_osfxsr = 1 << 9, cr4_osxsave = 1 << 18;
constexpr u32 msr_tsc_aux = 0xc0000103, msr_pat = 0x277;
constexpr u64 pat_reset = 0x0007'0406'0007'0406;

bool has_xsave() { return (cpuid(1).ecx & (1u << 26)) != 0; }
bool has_tsc_aux() { return (cpuid(0x80000001).edx & (1u << 27)) != 0; }

/// Of either vCPU; the loader of the first has not touched them. QEMU's AMD-V has one PAT for host and guest.
void check_and_spoil_registers() {
    if (is_intel()) {
        check_equal(rdmsr(msr_pat), pat_reset, "PAT");
        wrmsr(msr_pat, pat_reset | u64{1} << 56); // of an index that nobody uses
    }
    check_equal(read_cr2(), 0, "CR2");
    asm volatile("movq %0, %%cr2" : : "r"(mark));
}

/// What neither exits nor entries switch.
void check_extended_state() {
    write_cr4(read_cr4() | cr4_osfxsr | (has_xsave() ? cr4_osxsave : 0));
    u64 xmm7;
    u16 fcw;
    asm volatile("movq %%xmm7, %0" : "=r"(xmm7));
    asm volatile("fnstcw %0" : "=m"(fcw));
    check_equal(xmm7, 0, "XMM7");
    check_equal(fcw, 0x37f, "the x87 control word");
    if (has_xsave()) {
        u32 low, high;
        asm volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
        check_equal(low, 1, "XCR0");
    }
    if (has_tsc_aux())
        check_equal(rdmsr(msr_tsc_aux), 0, "TSC_AUX");
}

void spoil_extended_state() {
    const u16 fcw = 0x27f;
    asm volatile("movq %0, %%xmm7" : : "r"(mark));
    asm volatile("fldcw %0" : : "m"(fcw));
    if (has_xsave())
        asm volatile("xsetbv" : : "c"(0), "a"(cpuid(0xd).eax & 7), "d"(0));
    if (has_tsc_aux())
        wrmsr(msr_tsc_aux, 0xabcd);
}

void check_apic() {
    for (unsigned vector = 16; vector < 256; ++vector) {
        check(!apic_vector_bit(x2apic_irr, static_cast<u8>(vector)), "an old life's interrupt is pending: ", vector);
        check(!apic_vector_bit(x2apic_isr, static_cast<u8>(vector)), "an old life's interrupt is served: ", vector);
    }
    check_equal(rdmsr(x2apic_tpr), 0, "TPR");
    check_equal(rdmsr(x2apic_current_count), 0, "the timer's count");
    check_equal(rdmsr(x2apic_lvt_timer), lvt_masked, "the timer's LVT");
    check_equal(rdmsr(x2apic_icr), 0, "ICR");
}

void wait_milliseconds(u64 milliseconds) {
    const u64 end = rdtsc() + milliseconds * tsc_hz() / 1000;
    while (rdtsc() < end)
        pause();
}

/// Nothing of the life before is left, and nothing of it comes.
void check_birth() {
    check_equal(at<u64>(marked), 0, "memory that an old life has written");
    at<u64>(marked) = mark;
    check_extended_state();
    check_and_spoil_registers();
    check_apic();
    for (unsigned vector = 32; vector < 256; ++vector)
        set_handler(static_cast<u8>(vector), [](Frame&) {
            interrupts = interrupts + 1;
            end_of_interrupt();
        });
    set_handler(2, [](Frame&) { nmis = nmis + 1; });
    sti();
    wait_milliseconds(2);
    cli();
    check_equal(interrupts, 0, "interrupts that nobody of this life has sent");
    check_equal(nmis, 0, "NMIs that nobody of this life has sent");
}

/// The other vCPU sends the first what it can, until it is no more. It leaves it time: who gets the next NMI before it
/// has served the last one never comes to the next instruction.
[[noreturn]] void disturb(u32) {
    check_and_spoil_registers();
    enable_apic();
    for (;;) {
        wrmsr(x2apic_icr, icr_to(0) | other_vector);
        wrmsr(x2apic_icr, icr_to(1) | exception_like_vector);
        wrmsr(x2apic_icr, icr_to(0) | icr_nmi);
        wait_milliseconds(1);
    }
}

/// Two interrupts in service, others pending, the timer running, the priority raised, the other vCPU at it.
void make_a_mess() {
    spoil_extended_state();
    for (const u8 vector : {served_vector, spurious_vector}) {
        set_handler(vector, [](Frame&) {}); // no EOI: it stays in service
        wrmsr(x2apic_self_ipi, vector);
        sti();
        pause();
        cli();
        check(apic_vector_bit(x2apic_isr, vector), "not in service: ", u32{vector});
    }
    start_timer(tick_hz, timer_vector);
    wrmsr(x2apic_self_ipi, exception_like_vector);
    wrmsr(x2apic_self_ipi, other_vector);
    wrmsr(x2apic_tpr, 0x50);
    StartState found;
    if (vcpu_count() > 1)
        check(start_vcpu(1, disturb, found), "vCPU 1 does not start");
}

[[noreturn]] void wait_for_the_end() {
    for (;;)
        pause();
}

[[noreturn]] void triple_fault() {
    struct [[gnu::packed]] {
        u16 limit = 0;
        u64 base = 0;
    } none;
    asm volatile("lidt %0; ud2" : : "m"(none));
    __builtin_unreachable();
}

} // namespace

void run() {
    enable_apic();
    const u64 life = hypercall(hypercall_life);
    check_birth();
    if (life >= command_line_number("lives", 1))
        finish();
    print("life ", life);
    make_a_mess();
    switch (life % 8) {
    case 1:
    case 4:
    case 7:
        triple_fault();
    case 2:
    case 5:
        reset();
    case 3:
        print("restart me ", life);
        wait_for_the_end();
    case 6:
        wrmsr(x2apic_icr, icr_to(0) | icr_init | icr_assert); // an INIT of the first vCPU resets the machine
        wait_for_the_end();
    default: // its watchdog's turn
        out32(platform::watchdog_timeout_port, 50);
        out32(platform::watchdog_control_port, 1);
        wait_for_the_end();
    }
}

} // namespace bulkhead::guest
