// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// Which bits of the control registers a guest may set (SDM 3A 2.5, 2.6, APM 2 3.1): by its CPUID, and by its mode.
#pragma once

#include "guests/lib/cpu.hpp"

namespace bulkhead::guest::attack {

inline constexpr u64 cr0_pe = 1, cr0_nw = 1 << 29, cr0_cd = 1 << 30, cr0_pg = u64{1} << 31;
inline constexpr u64 cr4_pse = 1 << 4, cr4_pae = 1 << 5, cr4_pcide = 1 << 17, cr4_smep = 1 << 20, cr4_smap = 1 << 21;
inline constexpr u64 efer_lme = 0x100, efer_lma = 0x400;

constexpr u64 bit_if(u32 features, unsigned from, unsigned to) { return u64{features >> from & 1} << to; }

/// LA57, VMXE, SMXE, CET, PKS and all reserved ones are not among them.
inline u64 cr4_bits() {
    const CpuidResult one = cpuid(1), seven = cpuid(7);
    u64 bits = 1 << 6 | 1 << 8; // MCE, PCE
    bits |= 3 * bit_if(one.edx, 1, 0) | bit_if(one.edx, 4, 2) | bit_if(one.edx, 2, 3) | bit_if(one.edx, 3, 4);
    bits |= bit_if(one.edx, 6, 5) | bit_if(one.edx, 13, 7) | bit_if(one.edx, 24, 9) | bit_if(one.edx, 25, 10);
    bits |= bit_if(seven.ecx, 2, 11) | bit_if(seven.ebx, 0, 16) | bit_if(one.ecx, 17, 17) | bit_if(one.ecx, 26, 18);
    return bits | bit_if(seven.ebx, 7, 20) | bit_if(seven.ebx, 20, 21) | bit_if(seven.ecx, 3, 22);
}

/// SCE, LME, LMA, NXE, FFXSR, TCE, automatic IBRS.
inline u64 efer_bits() {
    const CpuidResult features = cpuid(0x80000001);
    const u32 more = cpuid(0x80000000).eax >= 0x80000021 ? cpuid(0x80000021).eax : 0;
    return efer_lme | efer_lma | bit_if(features.edx, 11, 0) | bit_if(features.edx, 20, 11) |
           bit_if(features.edx, 25, 14) | bit_if(features.ecx, 17, 15) | bit_if(more, 8, 21);
}

/// Of the lower half, in any mode; without paging it is not that which ends long mode.
constexpr bool takes_cr0(u64 value) {
    return ((value & cr0_pg) == 0 || (value & cr0_pe) != 0) && (value & (cr0_nw | cr0_cd)) != cr0_nw;
}

} // namespace bulkhead::guest::attack
