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

// By an IDT of its own: vectors 16 to 31 are legal interrupts, and handlers of exceptions may expect error codes.
void discard_interrupts() {
    constexpr unsigned all_vectors = 512; // one in service and one pending of each
    load_idt_for_interrupts(true);
    apic.reset_for_guest();
    for (unsigned i = 0; i < all_vectors; ++i) { // siblings may send without end to one that only changes its mode
        while (apic.has_any(drivers::apic::ISR))
            apic.eoi();
        if (!apic.has_any(drivers::apic::IRR))
            break;
        arch::take_interrupts();
    }
    load_idt_for_interrupts(false);
}

void set_local_apic_address(HostPhysical address) { registers = arch::DeviceRegisters(address); }

Result<void> enable_local_apic() { return apic.enable((arch::cpuid(1).ecx & bit_of(CpuFeature::X2APIC)) != 0); }

} // namespace bulkhead
