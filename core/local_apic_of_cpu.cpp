// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "core/local_apic_of_cpu.hpp"

#include "arch/x86_64/descriptor_tables.hpp"

namespace bulkhead {

namespace {
constinit arch::CpuMsrs msrs;
constinit arch::DeviceRegisters registers;
constinit CpuLocalApic apic(msrs, registers);
} // namespace

CpuLocalApic& local_apic() { return apic; }

// By an IDT of its own: vectors below 32 come as interrupts, too, and handlers of exceptions may expect error codes.
void discard_interrupts() {
    constexpr unsigned longest = 768; // one in service and one pending of each vector: two EOIs and an interrupt
    load_idt_for_interrupts(true);
    apic.reset_for_guest();
    // No EOI ends the spurious vector in Bochs' APIC: one that is illegal for interrupts (SDM 3A 11.5.2).
    apic.write(drivers::apic::SVR, drivers::apic::SpuriousInterruptVector::Enable::mask | 0xf);
    // Siblings may send without end to one that only changes its mode.
    for (unsigned i = 0; i < longest; ++i) {
        if (apic.has_any(drivers::apic::ISR))
            apic.eoi();
        else if (apic.has_any(drivers::apic::IRR))
            arch::take_interrupts();
        else
            break;
    }
    apic.reset_for_guest();
    load_idt_for_interrupts(false);
}

void set_local_apic_address(HostPhysical address) { registers = arch::DeviceRegisters(address); }

Result<void> enable_local_apic() { return apic.enable((arch::cpuid(1).ecx & bit_of(CpuFeature::X2APIC)) != 0); }

} // namespace bulkhead
