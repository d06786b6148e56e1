// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#pragma once

#include <algorithm>

#include "arch/x86_64/cpuid.hpp"
#include "arch/x86_64/msr_numbers.hpp"

namespace bulkhead {

/// IA32_ARCH_CAPABILITIES, 0 where the CPU has none; `read_msr(u32) -> u64` is called for no other.
template <class ReadMsr> u64 read_arch_capabilities(CpuidSource cpuid, ReadMsr&& read_msr) {
    return has_feature(cpuid, CpuFeature::ARCH_CAPABILITIES) ? read_msr(msr::IA32_ARCH_CAPABILITIES) : 0;
}

/// On these CPUs of Intel's a change of an executable page's size, first and second stage both large, can end in a
/// machine check, which a guest can bring about: no second-stage page that is larger than 4 KiB may be executable.
/// `signature`: CPUID 1 EAX. Linux' list, arch/x86/kernel/cpu/common.c (NO_ITLB_MULTIHIT): all but the Atoms before
/// Tremont's clients and Xeon Phi; later ones say IF_PSCHANGE_MC_NO.
constexpr bool has_itlb_multihit(u32 signature, u64 arch_capabilities) {
    constexpr u64 if_pschange_mc_no = 1u << 6;
    constexpr u8 unaffected[] = {0x37, 0x4a, 0x4d,  // Silvermont
                                 0x4c, 0x5a, 0x75,  // Airmont
                                 0x5c, 0x5f, 0x7a,  // Goldmont, Goldmont Plus
                                 0x86, 0x57, 0x85}; // Tremont (server), Knights Landing, Knights Mill
    const u32 family = signature >> 8 & 0xf;
    const u32 model = (signature >> 4 & 0xf) | (signature >> 12 & 0xf0);
    return (arch_capabilities & if_pschange_mc_no) == 0 &&
           !(family == 6 && std::ranges::find(unaffected, model) != std::end(unaffected));
}

} // namespace bulkhead
