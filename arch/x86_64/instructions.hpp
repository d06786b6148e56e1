// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// One instruction a function. Operands are "r": clang spills "rm" operands to the stack.
#pragma once

#include "arch/x86_64/cpuid.hpp"
#include "mm/address.hpp"

namespace bulkhead {

namespace arch {

inline CpuidRegisters cpuid(u32 leaf, u32 subleaf = 0) {
    CpuidRegisters out;
    asm volatile("cpuid" : "=a"(out.eax), "=b"(out.ebx), "=c"(out.ecx), "=d"(out.edx) : "0"(leaf), "2"(subleaf));
    return out;
}

inline u64 read_msr(u32 number) {
    u32 low, high;
    asm volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(number));
    return u64{high} << 32 | low;
}
inline void write_msr(u32 number, u64 value) {
    asm volatile("wrmsr" : : "c"(number), "a"(static_cast<u32>(value)), "d"(static_cast<u32>(value >> 32)) : "memory");
}

inline u64 read_tsc() {
    u32 low, high;
    asm volatile("rdtsc" : "=a"(low), "=d"(high));
    return u64{high} << 32 | low;
}

inline u8 in8(u16 port) {
    u8 value;
    asm volatile("inb %1, %0" : "=a"(value) : "d"(port));
    return value;
}
inline u32 in32(u16 port) {
    u32 value;
    asm volatile("inl %1, %0" : "=a"(value) : "d"(port));
    return value;
}
inline void out8(u16 port, u8 value) { asm volatile("outb %0, %1" : : "a"(value), "d"(port)); }
inline void out32(u16 port, u32 value) { asm volatile("outl %0, %1" : : "a"(value), "d"(port)); }

inline u64 read_cr0() {
    u64 value;
    asm volatile("movq %%cr0, %0" : "=r"(value));
    return value;
}
inline void write_cr0(u64 value) { asm volatile("movq %0, %%cr0" : : "r"(value) : "memory"); }
inline u64 read_cr2() {
    u64 value;
    asm volatile("movq %%cr2, %0" : "=r"(value));
    return value;
}
inline void write_cr2(u64 value) { asm volatile("movq %0, %%cr2" : : "r"(value)); }
inline u64 read_cr3() {
    u64 value;
    asm volatile("movq %%cr3, %0" : "=r"(value));
    return value;
}
inline void write_cr3(u64 value) { asm volatile("movq %0, %%cr3" : : "r"(value) : "memory"); }
inline u64 read_cr4() {
    u64 value;
    asm volatile("movq %%cr4, %0" : "=r"(value));
    return value;
}
inline void write_cr4(u64 value) { asm volatile("movq %0, %%cr4" : : "r"(value) : "memory"); }

inline u64 read_xcr0() {
    u32 low, high;
    asm volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return u64{high} << 32 | low;
}
inline void write_xcr0(u64 value) {
    asm volatile("xsetbv" : : "c"(0), "a"(static_cast<u32>(value)), "d"(static_cast<u32>(value >> 32)));
}

/// `area`: 576 bytes, aligned to 64. `components`: what of it is loaded; XCR0 has them.
inline void xrstor(const void* area, u64 components) {
    asm volatile("xrstor64 (%0)"
                 :
                 : "r"(area), "a"(static_cast<u32>(components)), "d"(static_cast<u32>(components >> 32))
                 : "memory");
}
/// `area`: 512 bytes, aligned to 16.
inline void fxsave(void* area) { asm volatile("fxsave64 (%0)" : : "r"(area) : "memory"); }
/// As SDM 3A table 9-1: no exception.
inline void reset_fpu() {
    const u32 mxcsr = 0x1f80;
    asm volatile("fninit\n\tldmxcsr %0" : : "m"(mxcsr));
}
/// `area`: 512 bytes, aligned to 16.
inline void fxrstor(const void* area) { asm volatile("fxrstor64 (%0)" : : "r"(area) : "memory"); }

inline u64 read_dr6() {
    u64 value;
    asm volatile("movq %%dr6, %0" : "=r"(value));
    return value;
}

inline void clear_breakpoints() {
    asm volatile("movq %0, %%dr0\n\tmovq %0, %%dr1\n\tmovq %0, %%dr2\n\tmovq %0, %%dr3" : : "r"(u64{0}));
}
inline void write_dr6(u64 value) { asm volatile("movq %0, %%dr6" : : "r"(value)); }

struct [[gnu::packed]] DescriptorTablePointer {
    u16 limit;
    u64 base;
};
inline void load_gdt(const DescriptorTablePointer& pointer) { asm volatile("lgdt %0" : : "m"(pointer)); }
inline void load_idt(const DescriptorTablePointer& pointer) { asm volatile("lidt %0" : : "m"(pointer)); }
inline void load_task_register(u16 selector) { asm volatile("ltr %0" : : "r"(selector)); }

/// CS by a far return, the data segments by moves; FS and GS become null.
inline void reload_segments(u16 code, u16 data) {
    asm volatile("pushq %0\n\t"
                 "leaq 1f(%%rip), %%rax\n\t"
                 "pushq %%rax\n\t"
                 "lretq\n"
                 "1: movl %1, %%ds\n\t"
                 "movl %1, %%es\n\t"
                 "movl %1, %%ss\n\t"
                 "movl %2, %%fs\n\t"
                 "movl %2, %%gs"
                 :
                 : "r"(u64{code}), "r"(u32{data}), "r"(u32{0})
                 : "rax", "memory");
}

/// To memory, out of the caches of all CPUs (SDM 2A CLFLUSH: ordered with the writes to the lines, which have 64
/// bytes).
inline void flush_cache(const void* first, u64 size) {
    for (u64 offset = 0; offset < size; offset += 64)
        asm volatile("clflush (%0)" : : "r"(static_cast<const char*>(first) + offset) : "memory");
}

/// All stores are visible before the next MSR write (SDM 3A 11.12.3: x2APIC writes do not serialize).
inline void memory_fence() { asm volatile("mfence; lfence" : : : "memory"); }

inline void cli() { asm volatile("cli" : : : "memory"); }
/// For an instruction, with RFLAGS.IF 0 before and after.
inline void take_interrupts() { asm volatile("sti; nop; cli" : : : "memory"); }
/// For good: an NMI or SMI does not end it.
[[noreturn]] inline void stop() {
    for (;;)
        asm volatile("cli; hlt" : : : "memory");
}
inline void pause() { asm volatile("pause"); }

} // namespace arch
} // namespace bulkhead
