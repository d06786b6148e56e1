// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include <algorithm>

#include "guests/lib/acpi.hpp"
#include "guests/lib/apic.hpp"
#include "guests/lib/guest.hpp"
#include "guests/lib/hypercall.hpp"
#include "guests/lib/traps.hpp"

// What an exit costs: the least TSC ticks of one operation, less those of reading the TSC twice. QEMU's
// `-icount shift=0` makes a TSC tick one instruction, and the numbers exact.
namespace bulkhead::guest {

constexpr std::string_view name = GUEST_NAME;

namespace {

constexpr u16 absent_port = 0x80;
constexpr u16 uart_scratch = 0x3ff;
constexpr u16 pci_config_address = 0xcf8;
constexpr u64 ioapic = 0xfec00000;
constexpr u32 msr_pat = 0x277;
constexpr u8 self_vector = 0x41;
constexpr unsigned samples = 33;

volatile u64 self_interrupts;

/// The least, not the median: what was printed before still goes out by interrupts, NMIs to this only CPU. They hit as
/// many samples of a slow operation as they like, but not all, and make none shorter.
/// noinline, so that every operation is called in the same way and the empty one subtracts the call.
template <typename F> [[gnu::noinline]] u64 least_ticks(F operation) {
    u64 least = ~u64{0};
    for (unsigned i = 0; i < samples; ++i) {
        const u64 start = rdtsc();
        operation();
        least = std::min(least, rdtsc() - start);
    }
    return least;
}

template <typename F> void measure(std::string_view what, F operation) {
    const u64 overhead = least_ticks([] {});
    const u64 total = least_ticks(operation);
    print("BENCH ", what, " ", total - std::min(total, overhead));
}

} // namespace

void run() {
    enable_apic();
    set_handler(self_vector, [](Frame&) {
        self_interrupts = self_interrupts + 1;
        end_of_interrupt();
    });
    measure("nop", [] { asm volatile("nop"); });
    measure("cpuid-0", [] { cpuid(0); });
    measure("cpuid-0-prefixed", [] {
        u32 eax = 0, ecx = 0;
        asm volatile(".byte 0x66, 0xf2, 0x48, 0x0f, 0xa2" : "+a"(eax), "+c"(ecx) : : "rbx", "rdx");
    });
    measure("cpuid-1", [] { cpuid(1); });
    if (under_bulkhead())
        measure("hypercall-unknown", [] { hypercall(~u64{0}); });
    measure("in-absent-port", [] { in8(absent_port); });
    measure("out-absent-port", [] { out8(absent_port, 0); });
    measure("in-pci-config", [] { in32(pci_config_address); });
    measure("in-uart", [] { in8(uart_scratch); });
    if (pm_timer_port() != 0)
        measure("in-pm-timer", [port = pm_timer_port()] { in32(port); });
    measure("rdmsr-pat", [] { rdmsr(msr_pat); });
    measure("rdmsr-apic-id", [] { rdmsr(x2apic_id); });
    measure("wrmsr-eoi", [] { end_of_interrupt(); });
    measure("read-ioapic", [] { touch<u32>(ioapic); });
    sti();
    measure("self-ipi", [] {
        const u64 before = self_interrupts;
        wrmsr(x2apic_self_ipi, self_vector);
        while (self_interrupts == before)
            ;
    });
    cli();
    const u64 ipis_before = self_interrupts;
    // What a sender loses: the interrupt waits until afterwards.
    measure("ipi-physical", [] { wrmsr(x2apic_icr, self_vector); });
    measure("ipi-logical", [] { wrmsr(x2apic_icr, u64{1} << 32 | 1 << 11 | self_vector); });
    measure("ipi-self", [] { wrmsr(x2apic_icr, 1 << 18 | self_vector); });
    sti();
    while (self_interrupts == ipis_before)
        ;
    cli();
    finish("measured");
}

} // namespace bulkhead::guest
