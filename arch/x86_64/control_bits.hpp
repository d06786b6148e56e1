// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// Bits of the control registers, EFER, XCR0 and RFLAGS, by the manuals' names (SDM 3A 2.5, 2.6; APM 2 3.1).
#pragma once

#include "base/types.hpp"

namespace bulkhead {

namespace cr0 {
inline constexpr u64 PE = 1u << 0;
inline constexpr u64 MP = 1u << 1;
inline constexpr u64 EM = 1u << 2;
inline constexpr u64 TS = 1u << 3;
inline constexpr u64 ET = 1u << 4;
inline constexpr u64 NE = 1u << 5;
inline constexpr u64 WP = 1u << 16;
inline constexpr u64 AM = 1u << 18;
inline constexpr u64 NW = 1u << 29;
inline constexpr u64 CD = 1u << 30;
inline constexpr u64 PG = 1u << 31;
} // namespace cr0

namespace cr4 {
inline constexpr u64 VME = 1u << 0;
inline constexpr u64 PVI = 1u << 1;
inline constexpr u64 TSD = 1u << 2;
inline constexpr u64 DE = 1u << 3;
inline constexpr u64 PSE = 1u << 4;
inline constexpr u64 PAE = 1u << 5;
inline constexpr u64 MCE = 1u << 6;
inline constexpr u64 PGE = 1u << 7;
inline constexpr u64 PCE = 1u << 8;
inline constexpr u64 OSFXSR = 1u << 9;
inline constexpr u64 OSXMMEXCPT = 1u << 10;
inline constexpr u64 UMIP = 1u << 11;
inline constexpr u64 LA57 = 1u << 12;
inline constexpr u64 VMXE = 1u << 13;
inline constexpr u64 SMXE = 1u << 14;
inline constexpr u64 FSGSBASE = 1u << 16;
inline constexpr u64 PCIDE = 1u << 17;
inline constexpr u64 OSXSAVE = 1u << 18;
inline constexpr u64 SMEP = 1u << 20;
inline constexpr u64 SMAP = 1u << 21;
inline constexpr u64 PKE = 1u << 22;
inline constexpr u64 CET = 1u << 23;
} // namespace cr4

namespace efer {
inline constexpr u64 SCE = 1u << 0;
inline constexpr u64 LME = 1u << 8;
inline constexpr u64 LMA = 1u << 10;
inline constexpr u64 NXE = 1u << 11;
inline constexpr u64 SVME = 1u << 12;
inline constexpr u64 LMSLE = 1u << 13;
inline constexpr u64 FFXSR = 1u << 14;
inline constexpr u64 TCE = 1u << 15;
inline constexpr u64 AIBRSE = 1u << 21;
} // namespace efer

namespace xcr0 {
inline constexpr u64 X87 = 1u << 0;
inline constexpr u64 SSE = 1u << 1;
inline constexpr u64 AVX = 1u << 2;
inline constexpr u64 AVX512 = 7u << 5; ///< opmask, ZMM_Hi256, Hi16_ZMM: all or none
inline constexpr u64 PKRU = 1u << 9;
} // namespace xcr0

namespace rflags {
inline constexpr u64 CF = 1u << 0;
inline constexpr u64 fixed_1 = 1u << 1;
inline constexpr u64 PF = 1u << 2;
inline constexpr u64 AF = 1u << 4;
inline constexpr u64 ZF = 1u << 6;
inline constexpr u64 SF = 1u << 7;
inline constexpr u64 TF = 1u << 8;
inline constexpr u64 IF = 1u << 9;
inline constexpr u64 DF = 1u << 10;
inline constexpr u64 OF = 1u << 11;
inline constexpr u64 NT = 1u << 14;
inline constexpr u64 RF = 1u << 16;
inline constexpr u64 VM = 1u << 17;
inline constexpr u64 AC = 1u << 18;
} // namespace rflags

} // namespace bulkhead
