// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#pragma once

#include <array>

#include "base/types.hpp"

namespace bulkhead {

inline constexpr u16 code_selector = 0x08;
inline constexpr u16 data_selector = 0x10;
inline constexpr u16 tss_selector = 0x18;

/// 64-bit TSS (SDM 3A 7.7).
struct [[gnu::packed]] TaskStateSegment {
    u32 reserved0 = 0;
    u64 rsp[3]{};
    u64 reserved1 = 0;
    u64 ist[7]{};
    u64 reserved2 = 0;
    u16 reserved3 = 0;
    u16 io_map_base = sizeof(TaskStateSegment);
};
static_assert(sizeof(TaskStateSegment) == 104);

/// A CPU's GDT: null, code, data, TSS (two entries).
struct GlobalDescriptorTable {
    std::array<u64, 5> entries{};
};

/// A 64-bit interrupt gate, present, for ring 0 (SDM 3A 6.14.1). `ist` is 0 for "stay on the stack".
struct InterruptGate {
    u64 low = 0;
    u64 high = 0;
    static constexpr InterruptGate make(u64 handler, u16 selector, unsigned ist) {
        const u64 low = (handler & 0xffff) | u64{selector} << 16 | u64{ist & 7} << 32 | u64{0x8e} << 40 |
                        (handler >> 16 & 0xffff) << 48;
        return {low, handler >> 32};
    }
};
static_assert(sizeof(InterruptGate) == 16);

/// Fills `gdt` with flat segments and a descriptor for `tss`.
void build_gdt(GlobalDescriptorTable& gdt, const TaskStateSegment& tss);

/// Fills the one IDT that all CPUs share. Call it once, before any CPU loads it.
void build_idt();

[[nodiscard]] u64 idt_base();

/// The IDT of this CPU: the one above, or, `interrupts`, one whose vectors do nothing but return, the NMI's excepted.
void load_idt_for_interrupts(bool interrupts);

/// From here on a double fault has a stack of its own, `ist[0]` of the TSS, so that a stack that overflowed is
/// reported. Only under VMX, which loads the host's TR at every exit. SVM leaves the guest's: the CPU would read the
/// stack pointer from where the guest says, so no gate uses an IST there.
void use_double_fault_stack();

/// Loads GDT, segment registers, TR and IDT on this CPU.
void load_descriptor_tables(GlobalDescriptorTable& gdt);

/// A GDT and a TSS that are in the image, so that they are there on any page tables.
void build_boot_gdt();
void load_boot_descriptors();

} // namespace bulkhead
