// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// The instructions that the loader needs, one a function.
#pragma once

#include "arch/x86_64/cpuid.hpp"
#include "base/types.hpp"

namespace bulkhead::boot {

inline CpuidRegisters cpuid(u32 leaf, u32 subleaf) {
    CpuidRegisters out;
    asm volatile("cpuid" : "=a"(out.eax), "=b"(out.ebx), "=c"(out.ecx), "=d"(out.edx) : "0"(leaf), "2"(subleaf));
    return out;
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
inline void out16(u16 port, u16 value) { asm volatile("outw %0, %1" : : "a"(value), "d"(port)); }
inline void out32(u16 port, u32 value) { asm volatile("outl %0, %1" : : "a"(value), "d"(port)); }

inline u64 read_cr3() {
    u64 value;
    asm volatile("movq %%cr3, %0" : "=r"(value));
    return value;
}
inline u64 read_cr4() {
    u64 value;
    asm volatile("movq %%cr4, %0" : "=r"(value));
    return value;
}

inline void cli() { asm volatile("cli" : : : "memory"); }
inline void hlt() { asm volatile("hlt" : : : "memory"); }

} // namespace bulkhead::boot
