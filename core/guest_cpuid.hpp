// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#pragma once

#include <array>

#include "arch/x86_64/cpuid.hpp"

namespace bulkhead {

/// The state of a vCPU that some bits of its CPUID follow.
struct CpuidDynamicState {
    u64 cr4 = 0;              ///< OSXSAVE and PKE matter
    u64 xcr0 = 1;             ///< gives the size of the XSAVE area
    bool apic_enabled = true; ///< IA32_APIC_BASE.EN
};

/// What CPUID answers on one vCPU. The loader computes it (boot/guest/cpuid.hpp), and update() the bits that follow the
/// guest's state when that changes, so that an exit is a table look-up.
struct GuestCpuid {
    /// The guest has written CR4, XCR0 or IA32_APIC_BASE.
    void update(const CpuidDynamicState& state);

    /// The answer to CPUID. Leaves that do not exist are 0, on Intel as well.
    [[nodiscard]] const CpuidRegisters& lookup(u32 leaf, u32 subleaf) const {
        if (leaf < basic.size()) {
            if ((leaves_with_subleaves >> leaf & 1) != 0) [[unlikely]]
                return lookup_subleaf(leaf, subleaf);
            return basic[leaf];
        }
        if (const u32 index = leaf - 0x4000'0000; index < hypervisor.size())
            return hypervisor[index];
        return lookup_other(leaf, subleaf);
    }

    /// Whether the guest is shown a feature.
    [[nodiscard]] bool has(CpuFeature feature) const {
        return (words[static_cast<u16>(word_of(feature))] & bit_of(feature)) != 0;
    }

    // What of a look-up is not worth its place in the run loop.
    [[nodiscard]] const CpuidRegisters& lookup_subleaf(u32 leaf, u32 subleaf) const;
    [[nodiscard]] const CpuidRegisters& lookup_other(u32 leaf, u32 subleaf) const;
    /// Bytes of the XSAVE area (SDM 1 13.4.2, 13.4.3).
    [[nodiscard]] u32 xsave_size(u64 xcr0, bool compacted) const;

    static constexpr u32 leaves_with_subleaves = 1u << 0x4 | 1u << 0x7 | 1u << 0xb | 1u << 0xd | 1u << 0x1f;
    static constexpr u32 extended_leaves = 0x8000'0000;

    std::array<CpuidRegisters, 0x20> basic{};
    std::array<CpuidRegisters, 0x11> hypervisor{};
    std::array<CpuidRegisters, 2> kvm{};
    std::array<CpuidRegisters, 0x22> extended{};
    // The last one of each answers for all above it.
    std::array<CpuidRegisters, 9> caches{};     ///< leaf 4, or 0x8000001d on AMD
    std::array<CpuidRegisters, 4> structured{}; ///< leaf 7
    std::array<CpuidRegisters, 3> topology{};   ///< leaves 0xb and 0x1f
    std::array<CpuidRegisters, 11> xsave{};     ///< leaf 0xd
    std::array<u32, cpuid_words> words{};       ///< the features shown, not those that follow the guest's state
    u64 xcr0_mask = 0;                          ///< the bits of XCR0 that the guest may set; 0 where it has no XSAVE
    CpuVendor vendor = CpuVendor::Unknown;
};

} // namespace bulkhead
