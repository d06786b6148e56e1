// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// How an APIC ID is divided into package, core and thread.
#pragma once

#include <span>

#include "arch/x86_64/cpuid.hpp"
#include "boot/boot_info.hpp"

namespace bulkhead::boot {

struct ApicIdLayout {
    u32 smt_shift = 0;     ///< 0 to 31: bits that tell the threads of a core apart
    u32 package_shift = 0; ///< smt_shift to 31: bits below the package number
    u32 cache_shift = 0; ///< smt_shift to package_shift: bits that tell those apart that share the last level of cache
    friend constexpr bool operator==(const ApicIdLayout&, const ApicIdLayout&) = default;
};

/// By leaf 1Fh or 0Bh (SDM 3A 10.9.1) where there is one; else on AMD by 8000_0008h and 8000_001Eh (APM 3 E.4.7,
/// E.4.17), on others by leaves 1 and 4 (SDM 3A 10.9.3). The cache by leaf 4 (SDM 3A 10.9.1, table 3-8 of 2A) or
/// 8000_001Dh (APM 3 E.4.16); where neither says anything a package is taken to share one. It is the running
/// processor's layout: that all others have the same is not always true of hybrid CPUs' cores.
[[nodiscard]] ApicIdLayout apic_id_layout(const CpuidSource& cpuid);

/// The APIC ID of the processor that runs.
[[nodiscard]] u32 own_apic_id(const CpuidSource& cpuid);

/// Fills in core, package and cache of each processor.
void apply_layout(std::span<CpuInfo> cpus, const ApicIdLayout& layout);

} // namespace bulkhead::boot
