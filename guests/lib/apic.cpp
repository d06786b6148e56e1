// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "guests/lib/apic.hpp"

#include "guests/lib/acpi.hpp"
#include "guests/lib/hypercall.hpp"

namespace bulkhead::guest {
namespace {

constexpr u64 divide_by_1 = 0xb;
constexpr u32 calibration_ticks = pm_timer_hz / 100;

} // namespace

void enable_apic() {
    constexpr u64 enabled = u64{3} << 10; // EN and EXTD
    if (const u64 base = rdmsr(msr_apic_base); (base & enabled) != enabled) {
        wrmsr(msr_apic_base, base | u64{1} << 11);
        wrmsr(msr_apic_base, base | enabled);
    }
    out8(0x21, 0xff); // on a bare machine there is a PIC; in a guest this vanishes
    out8(0xa1, 0xff);
    wrmsr(x2apic_tpr, 0);
    wrmsr(x2apic_svr, 0x1ff);
}

u64 apic_timer_hz() {
    static u64 hz = 0;
    if (hz == 0 && hypervisor_max_leaf() >= 0x40000010)
        hz = u64{cpuid(0x40000010).ebx} * 1000;
    if (hz == 0) {
        wrmsr(x2apic_divide, divide_by_1);
        wrmsr(x2apic_lvt_timer, lvt_masked);
        wrmsr(x2apic_initial_count, 0xffffffff);
        pm_timer_wait(calibration_ticks);
        hz = (0xffffffff - rdmsr(x2apic_current_count)) * 100;
        wrmsr(x2apic_initial_count, 0);
    }
    return hz;
}

u64 tsc_hz() {
    static u64 hz = 0;
    if (hz == 0 && hypervisor_max_leaf() >= 0x40000010)
        hz = u64{cpuid(0x40000010).eax} * 1000;
    if (hz == 0) {
        const u64 start = rdtsc();
        pm_timer_wait(calibration_ticks);
        hz = (rdtsc() - start) * 100;
    }
    return hz;
}

void start_timer(u64 hz, u8 vector) {
    const u64 count = apic_timer_hz() / hz;
    wrmsr(x2apic_divide, divide_by_1);
    wrmsr(x2apic_lvt_timer, lvt_periodic | vector);
    wrmsr(x2apic_initial_count, count);
}

void start_timer_once(u32 count, u8 vector) {
    wrmsr(x2apic_divide, divide_by_1);
    wrmsr(x2apic_lvt_timer, vector);
    wrmsr(x2apic_initial_count, count);
}

void stop_timer() {
    wrmsr(x2apic_lvt_timer, lvt_masked);
    wrmsr(x2apic_initial_count, 0);
}

bool apic_vector_bit(X2Apic first, u8 vector) { return (rdmsr(first + vector / 32) >> (vector % 32) & 1) != 0; }

} // namespace bulkhead::guest
