// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#pragma once

#include <array>
#include <span>

#include "arch/x86_64/cpuid.hpp"

namespace bulkhead {

/// What the CPUID of a vCPU depends on beside the host's.
struct GuestCpuidParameters {
    u32 virtual_apic_id = 0; ///< 0 to cpu_count - 1
    u32 cpu_count = 1;       ///< the guest's vCPUs: cores with one thread each, in one package
    u64 tsc_hz = 0;
    u64 apic_bus_hz = 0;       ///< what the APIC timer counts before its divider
    bool invpcid_works = true; ///< VMX: the control "enable INVPCID" is on
    bool rdtscp_works = true;  ///< VMX: the control "enable RDTSCP" is on
};

/// The state of a vCPU that some bits of its CPUID follow.
struct CpuidDynamicState {
    u64 cr4 = 0;              ///< OSXSAVE and PKE matter
    u64 xcr0 = 1;             ///< gives the size of the XSAVE area
    bool apic_enabled = true; ///< IA32_APIC_BASE.EN
};

/// What CPUID answers on one vCPU. All of it is computed when the guest is built, and the bits that follow the guest's
/// state when that changes, so that an exit is a table look-up.
class GuestCpuid {
public:
    GuestCpuid() = default;
    /// `host` is the CPU that the vCPU will run on. The policy is core/cpuid_policy_table.hpp.
    GuestCpuid(CpuidSource host, const GuestCpuidParameters& parameters);

    /// The guest has written CR4, XCR0 or IA32_APIC_BASE.
    void update(const CpuidDynamicState& state);

    /// The answer to CPUID. Leaves that do not exist are 0, on Intel as well.
    [[nodiscard]] const CpuidRegisters& lookup(u32 leaf, u32 subleaf) const {
        if (leaf < basic_.size()) {
            if ((leaves_with_subleaves >> leaf & 1) != 0) [[unlikely]]
                return lookup_subleaf(leaf, subleaf);
            return basic_[leaf];
        }
        if (const u32 index = leaf - 0x4000'0000; index < hypervisor_.size())
            return hypervisor_[index];
        return lookup_other(leaf, subleaf);
    }

    /// Whether the guest is shown a feature.
    [[nodiscard]] bool has(CpuFeature feature) const {
        return (words_[static_cast<u16>(word_of(feature))] & bit_of(feature)) != 0;
    }
    /// The bits of XCR0 that the guest may set; 0 where it has no XSAVE.
    [[nodiscard]] u64 xcr0_mask() const { return xcr0_mask_; }
    [[nodiscard]] CpuVendor vendor() const { return vendor_; }

private:
    static constexpr u32 leaves_with_subleaves = 1u << 0x4 | 1u << 0x7 | 1u << 0xb | 1u << 0xd | 1u << 0x1f;

    const CpuidRegisters& lookup_subleaf(u32 leaf, u32 subleaf) const;
    const CpuidRegisters& lookup_other(u32 leaf, u32 subleaf) const;
    CpuidRegisters* slot(u32 leaf, u32 subleaf);

    void select_features(CpuidSource host, const GuestCpuidParameters& parameters);
    void copy_leaves(CpuidSource host);
    void set_maximum_leaves(CpuidSource host);
    void set_features();
    void set_topology(const GuestCpuidParameters& parameters);
    void set_caches(CpuidSource host, u32 cpu_count);
    void set_xsave(CpuidSource host);
    void set_hypervisor_leaves(const GuestCpuidParameters& parameters);
    [[nodiscard]] u32 xsave_size(u64 xcr0, bool compacted) const;

    std::array<CpuidRegisters, 0x20> basic_{};
    std::array<CpuidRegisters, 0x11> hypervisor_{};
    std::array<CpuidRegisters, 2> kvm_{};
    std::array<CpuidRegisters, 0x22> extended_{};
    // The last one of each answers for all above it.
    std::array<CpuidRegisters, 9> caches_{};     ///< leaf 4, or 0x8000001d on AMD
    std::array<CpuidRegisters, 4> structured_{}; ///< leaf 7
    std::array<CpuidRegisters, 3> topology_{};   ///< leaves 0xb and 0x1f
    std::array<CpuidRegisters, 11> xsave_{};     ///< leaf 0xd
    std::array<u32, cpuid_words> words_{};       ///< the features shown, not those that follow the guest's state
    u64 xcr0_mask_ = 0;
    CpuVendor vendor_ = CpuVendor::Unknown;
};

} // namespace bulkhead
