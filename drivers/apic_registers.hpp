// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// The local APIC's registers, by their x2APIC MSR numbers. SDM 3A table 11-6, APM 2 16.12.1
#pragma once

#include "base/bit_field.hpp"

namespace bulkhead::drivers::apic {

inline constexpr u32 ID = 0x802;
inline constexpr u32 VERSION = 0x803;
inline constexpr u32 TPR = 0x808;
inline constexpr u32 PPR = 0x80a;
inline constexpr u32 EOI = 0x80b;
inline constexpr u32 LDR = 0x80d;
inline constexpr u32 DFR = 0x80e; ///< xAPIC only
inline constexpr u32 SVR = 0x80f;
inline constexpr u32 ISR = 0x810; ///< the first of eight
inline constexpr u32 IRR = 0x820; ///< the first of eight
inline constexpr u32 ESR = 0x828;
inline constexpr u32 LVT_CMCI = 0x82f;
inline constexpr u32 ICR = 0x830;
inline constexpr u32 ICR_HIGH = 0x831; ///< xAPIC only
inline constexpr u32 LVT_TIMER = 0x832;
inline constexpr u32 LVT_THERMAL = 0x833;
inline constexpr u32 LVT_PMI = 0x834;
inline constexpr u32 LVT_LINT0 = 0x835;
inline constexpr u32 LVT_LINT1 = 0x836;
inline constexpr u32 LVT_ERROR = 0x837;
inline constexpr u32 INITIAL_COUNT = 0x838;
inline constexpr u32 CURRENT_COUNT = 0x839;
inline constexpr u32 DIVIDE_CONFIGURATION = 0x83e;
inline constexpr u32 SELF_IPI = 0x83f;
inline constexpr u32 EXTENDED_FEATURE = 0x840; ///< AMD
inline constexpr u32 EXTENDED_LVT = 0x850;     ///< AMD, the first

/// IA32_APIC_BASE. SDM 3A 11.4.4
struct ApicBase {
    static constexpr u32 number = 0x1b;
    using EXTD = BitField<10>;
    using EN = BitField<11>;
};

struct Version {
    using MaxLvtEntry = BitField<23, 16>;
    using ExtendedSpace = BitField<31>; // AMD
};

struct ExtendedFeature {
    using LvtCount = BitField<23, 16>;
};

struct SpuriousInterruptVector {
    using Vector = BitField<7, 0>;
    using Enable = BitField<8>;
};

/// By what the timer's divide configuration register has its clock divided: 1 to 128. SDM 3A figure 11-10
constexpr u32 divider(u64 configuration) { return 1u << (((configuration & 3) + (configuration >> 1 & 4) + 1) & 7); }

struct LvtEntry {
    using Mask = BitField<16>;
};

/// SDM 3A figures 11-12 and 11-28: one register in x2APIC mode, two in xAPIC mode, whose destination is bits 63 to 56.
struct InterruptCommand {
    using Vector = BitField<7, 0>;
    using DeliveryMode = BitField<10, 8>;
    using DeliveryStatus = BitField<12>; // xAPIC only
    using Level = BitField<14>;
    using Shorthand = BitField<19, 18>;
    using Destination = BitField<63, 32>;
};

} // namespace bulkhead::drivers::apic
