// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "guests/lib/apic.hpp"
#include "guests/lib/guest.hpp"
#include "guests/lib/layout.h"
#include "guests/lib/traps.hpp"

// What no guest may do, one case per image: the hypervisor stops the guest with a record and no other guest notices.
// Any line after "containment: CASE" is a failure.
namespace bulkhead::guest {

constexpr std::string_view name = GUEST_NAME;

namespace {

enum class Case {
    triple_fault,
    shutdown_idt,
    read_memory,
    write_memory,
    execute_memory,
    execute_hole,
    exception_to_device,
    interrupt_to_device
};

constexpr u64 hole = 0xfed00000; // where a PC has its HPET: reads give ones, there is nothing to execute

/// An address above the RAM below 3 GiB that nothing answers: not the guest's, and no place where a PC has devices.
u64 foreign_address() {
    u64 end = 0;
    for (unsigned i = 0; i < memory_range_count(); ++i)
        if (const MemoryRange range = memory_range(i); range.address < 3 * GiB && range.type == 1)
            end = range.address + range.size;
    return end + 16 * MiB;
}

struct [[gnu::packed]] TablePointer {
    u16 limit;
    u64 base;
};
alignas(16) u8 no_gates[4096];

[[gnu::noinline]] void fault_without_handlers(u16 limit) {
    const TablePointer pointer{limit, reinterpret_cast<u64>(no_gates)};
    asm volatile("lidt %0; ud2" : : "m"(pointer));
}

/// An event pushes its frame to a device, while RIP is on an instruction that the hypervisor executes in the guest's
/// place, and which is never at its end: each delivery faults, and no NMI comes in between.
void deliver_to_device(u64 destination) {
    asm volatile("movq %0, %%rsp; movq %1, %%rdi; movq $-1, %%rcx; xorl %%eax, %%eax; cld; sti; nop; rep stosb; ud2"
                 :
                 : "r"(hole + 0x800), "r"(destination)
                 : "memory");
}

void commit(Case which) {
    switch (which) {
    case Case::triple_fault: // no gate can be reached
        return fault_without_handlers(0);
    case Case::shutdown_idt: // every gate can be reached, none is present
        return fault_without_handlers(sizeof no_gates - 1);
    case Case::read_memory:
        return touch<u64>(foreign_address());
    case Case::write_memory:
        at<u64>(foreign_address()) = 0xbad;
        return;
    case Case::execute_memory:
        asm volatile("call *%0" : : "r"(foreign_address()) : "memory");
        return;
    case Case::execute_hole:
        asm volatile("call *%0" : : "r"(hole) : "memory");
        return;
    case Case::exception_to_device:
        return deliver_to_device(4 * GiB); // where the boot's tables end: #PF
    case Case::interrupt_to_device:
        enable_apic();
        set_handler(0x40, [](Frame&) { end_of_interrupt(); });
        wrmsr(x2apic_self_ipi, 0x40);
        return deliver_to_device(hole);
    }
}

} // namespace

void run() {
    print("containment: ", name);
    commit(Case::CONTAINMENT_CASE);
    check(false, "it went on");
}

} // namespace bulkhead::guest
