// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include <array>

#include "guests/lib/acpi.hpp"
#include "guests/lib/apic.hpp"
#include "guests/lib/guest.hpp"
#include "guests/lib/timing.hpp"
#include "guests/lib/traps.hpp"

// A model-specific register is the guest's own, or it faults: none reaches the host. The clock's registers take an
// address, which is hostile input.
namespace bulkhead::guest {

constexpr std::string_view name = GUEST_NAME;

namespace {

constexpr u32 msr_tsc = 0x10, msr_mtrr_cap = 0xfe, msr_pat = 0x277, msr_efer = 0xc0000080;
constexpr u32 msr_wall_clock = 0x4b564d00, msr_system_time = 0x4b564d01;

// VMX capabilities, SVM's host save area, SMM base, old KVM clock, KVM async page fault, Hyper-V, beyond the ranges
// that a permission map covers, and numbers that nobody has.
constexpr std::array<u32, 16> refused{0x480,      0x48c,      0xc0010117, 0xc0010111, 0x11,       0x12,
                                      0x4b564d02, 0x40000000, 0x2000,     0xbfffffff, 0xc0002000, 0xc0012000,
                                      0xc000ffff, 0x10000000, 0xdead0000, 0xffffffff};
constexpr std::array<u32, 7> refused_apic{0x800, 0x801, 0x804, 0x80c, 0x80e, 0x831, 0x8ff};

void check_refused(u32 msr) {
    const Frame read = attempt([=] { rdmsr(msr); });
    check(read.vector == general_protection && read.error == 0, "reading ", Hex{msr}, ": vector ", read.vector);
    const Frame write = attempt([=] { wrmsr(msr, 0); });
    check(write.vector == general_protection && write.error == 0, "writing ", Hex{msr}, ": vector ", write.vector);
}

void check_pat() {
    const u64 before = rdmsr(msr_pat);
    check_equal(before, 0x0007040600070406, "PAT after reset");
    constexpr u64 other = 0x0007010600070106;
    wrmsr(msr_pat, other);
    check_equal(rdmsr(msr_pat), other, "PAT after a write");
    wrmsr(msr_pat, before);
    // SDM 3A 12.12.2 says #GP; QEMU's CPU takes it, and PAT is the CPU's own business here.
    const Frame reserved = attempt([] { wrmsr(msr_pat, 2); });
    check(reserved.vector == returned || reserved.vector == general_protection, "PAT with a reserved type");
    wrmsr(msr_pat, before);
}

void check_efer() {
    constexpr u64 sce = 1, lme = 1 << 8, lma = 1 << 10, nxe = 1 << 11, svme = 1 << 12;
    const u64 efer = rdmsr(msr_efer);
    check((efer & svme) == 0, "EFER.SVME is not to be seen");
    check_equal(efer & (lme | lma), lme | lma, "EFER.LME and LMA");
    expect_fault(general_protection, 0, "setting EFER.SVME", [=] { wrmsr(msr_efer, efer | svme); });
    for (const unsigned bit : {1u, 9u, 16u, 40u, 63u})
        expect_fault(general_protection, 0, "setting a reserved bit of EFER",
                     [=] { wrmsr(msr_efer, efer | u64{1} << bit); });
    expect_fault(general_protection, 0, "clearing EFER.LME with paging on", [=] { wrmsr(msr_efer, efer & ~lme); });
    expect_no_fault("setting EFER.SCE and NXE", [=] { wrmsr(msr_efer, efer | sce | nxe); });
    check_equal(rdmsr(msr_efer), efer | sce | nxe, "EFER after a write");
    expect_no_fault("restoring EFER", [=] { wrmsr(msr_efer, efer); });
    check_equal(rdmsr(msr_efer), efer, "EFER restored");
}

void check_apic_base() {
    const u64 base = rdmsr(msr_apic_base);
    check_equal(base, 0xfee00000 | 1 << 11 | 1 << 10 | 1 << 8, "APIC_BASE: enabled, x2APIC, bootstrap processor");
    expect_no_fault("writing APIC_BASE as it is", [=] { wrmsr(msr_apic_base, base); });
    expect_fault(general_protection, 0, "x2APIC without enable", [=] { wrmsr(msr_apic_base, base & ~(u64{1} << 11)); });
    expect_fault(general_protection, 0, "APIC_BASE, reserved bit", [=] { wrmsr(msr_apic_base, base | 1); });
    for (const u32 msr : refused_apic)
        expect_fault(general_protection, 0, "a reserved x2APIC register", [=] { rdmsr(msr); });
    for (const u32 msr : {x2apic_id, x2apic_version, x2apic_ldr})
        expect_fault(general_protection, 0, "writing a read-only x2APIC register", [=] { wrmsr(msr, 0); });
}

void check_mtrr() {
    if ((cpuid(1).edx >> 12 & 1) == 0)
        return expect_fault(general_protection, 0, "MTRRcap without MTRRs", [] { rdmsr(msr_mtrr_cap); });
    const Frame frame = attempt([] {
        const u64 variable = rdmsr(msr_mtrr_cap) & 0xff;
        for (u32 i = 0; i < 2 * variable; ++i)
            rdmsr(0x200 + i);
        rdmsr(0x2ff);
    });
    check_equal(frame.vector, returned, "the MTRRs that MTRRcap promises can be read: vector");
}

struct alignas(4096) ClockPage {
    volatile u32 version;
    volatile u32 pad0;
    volatile u64 tsc_timestamp;
    volatile u64 system_time;
    volatile u32 mul;
    volatile i8 shift;
    volatile u8 flags;
    volatile u16 pad;
    volatile u64 rest[508];
};
static_assert(sizeof(ClockPage) == 4096);
ClockPage clock_page;
ClockPage wall_page;

/// Nanoseconds, as Linux' pvclock_clocksource_read() computes them.
u64 clock_now() {
    for (;;) {
        const u32 version = clock_page.version;
        const u64 delta = rdtsc() - clock_page.tsc_timestamp;
        const i8 shift = clock_page.shift;
        const u64 shifted = shift < 0 ? delta >> -shift : delta << shift;
        const u64 mul = clock_page.mul;
        const u64 scaled = (shifted >> 32) * mul + ((shifted & 0xffffffff) * mul >> 32);
        const u64 now = clock_page.system_time + scaled;
        if (version == clock_page.version && version % 2 == 0)
            return now;
    }
}

/// Over 10 ms by the PM timer.
void check_clock_rate(std::string_view what) {
    const ClockReading first = read_clock(clock_now);
    pm_timer_wait(pm_timer_hz / 100);
    const ClockReading last = read_clock(clock_now);
    check(agrees_with_tsc(last.value - first.value, 1'000'000'000, first, last, tsc_hz()), what, ": ",
          last.value - first.value, " ns in ", last.before - first.after, " to ", last.after - first.before,
          " ticks of the TSC, which runs at ", tsc_hz(), " Hz");
}

void check_clock() {
    constexpr std::array<u64, 10> hostile{
        0xa0001,    0xfec00001,       0xfee00001, 0xfed00001,         0xfffff001,
        0xc0000001, u64{1} << 52 | 1, ~u64{0},    0x7ffffffffffff001, 0xffff800000000001};
    for (const u64 address : hostile)
        for (const u32 msr : {msr_system_time, msr_wall_clock}) {
            const u64 before = rdmsr(msr);
            const Frame frame = attempt([=] { wrmsr(msr, address); });
            check(frame.vector == returned || frame.vector == general_protection, Hex{msr}, " = ", Hex{address},
                  ": vector ", frame.vector);
            const u64 expected = frame.vector == returned ? address : before;
            check_equal(rdmsr(msr), expected, Hex{msr}, " after the write of ", Hex{address});
        }
    const u64 page = reinterpret_cast<u64>(&clock_page);
    for (volatile u64& word : clock_page.rest)
        word = 0x5555555555555555;
    attempt([=] { wrmsr(msr_system_time, (page + 0xff0) | 1); }); // ends in the next page
    expect_no_fault("the clock's page", [=] { wrmsr(msr_system_time, page | 1); });
    check(clock_page.version % 2 == 0 && clock_page.mul != 0, "the clock's page was written");
    check((clock_page.flags & 1) != 0, "the clock is stable");
    bool untouched = true;
    for (u64 i = 0; i < 500; ++i)
        untouched = untouched && clock_page.rest[i] == 0x5555555555555555;
    check(untouched, "nothing behind the clock's structure was written");
    expect_fault(general_protection, 0, "no page for the clock", [] { wrmsr(msr_system_time, 0xfed00001); });
    check_equal(rdmsr(msr_system_time), page | 1, "the clock's page after a refused one");
    const u64 timestamp = clock_page.tsc_timestamp;
    wrmsr(msr_tsc, rdtsc() + tsc_hz());
    check(clock_page.tsc_timestamp != timestamp, "the clock's page follows the TSC after a refused one");

    check_clock_rate("the clock");
    expect_no_fault("the wall clock", [] { wrmsr(msr_wall_clock, reinterpret_cast<u64>(&wall_page)); });
    check(at<u32>(reinterpret_cast<u64>(&wall_page) + 4) > 1'577'836'800,
          "the wall clock is later than 2020: ", at<u32>(reinterpret_cast<u64>(&wall_page) + 4));
    expect_no_fault("switching the clock off", [] { wrmsr(msr_system_time, 0); });
}

// The guest's TSC moves; what does not depend on it does not.
void check_tsc() {
    const u64 before = rdtsc();
    const u64 by_msr = rdmsr(msr_tsc);
    const u64 after = rdtsc();
    check(before <= by_msr && by_msr <= after, "RDMSR of the TSC is between two RDTSC");
    const u64 second = tsc_hz();
    const u32 timer = in32(pm_timer_port());
    for (const u64 value : {u64{0}, u64{1} << 40, u64{1} << 62}) {
        wrmsr(msr_tsc, value);
        const u64 now = rdtsc();
        check(now >= value && now - value < second, "the TSC goes on from ", Hex{value}, ": ", Hex{now});
        check(rdmsr(msr_tsc) >= now && rdmsr(msr_tsc) - now < second, "RDMSR agrees");
    }
    check(((in32(pm_timer_port()) - timer) & 0xffffff) < pm_timer_hz, "the PM timer does not follow the guest's TSC");
    attempt([] { wrmsr(msr_system_time, reinterpret_cast<u64>(&clock_page) | 1); });
    check_clock_rate("the clock, with the TSC moved");
}

} // namespace

void run() {
    for (const u32 msr : refused)
        check_refused(msr);
    check_pat();
    check_efer();
    check_apic_base();
    check_mtrr();
    check_clock();
    check_tsc();
}

} // namespace bulkhead::guest
