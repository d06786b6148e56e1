// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "arch/x86_64/descriptor_tables.hpp"

#include <span>

#include "arch/x86_64/instructions.hpp"
#include "base/init.hpp"

extern "C" const bulkhead::u8 exception_entries[], ignore_interrupt[];

namespace bulkhead {

namespace {
constexpr unsigned exception_count = 32;
constexpr u64 exception_entry_size = 16; // exceptions.S
constexpr unsigned nmi_vector = 2;
constinit std::array<InterruptGate, exception_count> idt{};
constinit std::array<InterruptGate, 256> interrupt_idt{};
constinit GlobalDescriptorTable boot_gdt;
constinit TaskStateSegment boot_tss;
} // namespace

BULKHEAD_INIT void build_gdt(GlobalDescriptorTable& gdt, const TaskStateSegment& tss) {
    const u64 base = reinterpret_cast<u64>(&tss);
    const u64 tss_low = (sizeof(TaskStateSegment) - 1) | (base & 0xffffff) << 16 | u64{0x89} << 40 |
                        (base >> 24 & 0xff) << 56; // available 64-bit TSS, present (SDM 3A 7.2.3)
    gdt.entries = {0, 0x00af9b000000ffff, 0x00cf93000000ffff, tss_low, base >> 32};
}

BULKHEAD_INIT void build_idt() {
    for (unsigned vector = 0; vector < exception_count; ++vector) {
        const u64 handler = reinterpret_cast<u64>(exception_entries) + vector * exception_entry_size;
        idt[vector] = InterruptGate::make(handler, code_selector, 0);
    }
    interrupt_idt.fill(InterruptGate::make(reinterpret_cast<u64>(ignore_interrupt), code_selector, 0));
    // Vectors below 16 are illegal (SDM 3A 11.5.2), but QEMU's APIC sends those, too.
    interrupt_idt[nmi_vector] = idt[nmi_vector];
}

void load_idt_for_interrupts(bool interrupts) {
    const std::span<const InterruptGate> gates = interrupts ? std::span<const InterruptGate>(interrupt_idt) : idt;
    arch::load_idt({static_cast<u16>(gates.size_bytes() - 1), reinterpret_cast<u64>(gates.data())});
}

u64 idt_base() { return reinterpret_cast<u64>(idt.data()); }

BULKHEAD_INIT void use_double_fault_stack() {
    constexpr unsigned double_fault = 8;
    const u64 handler = reinterpret_cast<u64>(exception_entries) + double_fault * exception_entry_size;
    idt[double_fault] = InterruptGate::make(handler, code_selector, 1);
}

void load_descriptor_tables(GlobalDescriptorTable& gdt) {
    arch::load_gdt({sizeof(gdt.entries) - 1, reinterpret_cast<u64>(gdt.entries.data())});
    arch::reload_segments(code_selector, data_selector);
    gdt.entries[tss_selector / 8] &= ~(u64{2} << 40); // not busy, else LTR faults
    arch::load_task_register(tss_selector);
    load_idt_for_interrupts(false);
}

BULKHEAD_INIT void build_boot_gdt() { build_gdt(boot_gdt, boot_tss); }

void load_boot_descriptors() { load_descriptor_tables(boot_gdt); }

} // namespace bulkhead
