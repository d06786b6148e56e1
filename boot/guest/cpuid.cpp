// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "boot/guest/cpuid.hpp"

#include <algorithm>
#include <bit>
#include <string_view>

#include "boot/guest/cpuid_policy.hpp"

namespace bulkhead {

namespace {

constexpr u32 extended = GuestCpuid::extended_leaves;
constexpr u32 level_thread = 1u << 8; // SDM 2A, CPUID leaf 0xb ECX: level type SMT, core
constexpr u32 level_core = 2u << 8;

constexpr u32 kvm_feature_nop_io_delay = 1u << 1; // Linux, Documentation/virt/kvm/x86/cpuid.rst
constexpr u32 kvm_feature_clocksource2 = 1u << 3;
constexpr u32 kvm_feature_msi_ext_dest_id = 1u << 15;
constexpr u32 kvm_feature_clocksource_stable = 1u << 24;

/// Three registers spell twelve characters; what is missing is zero.
constexpr CpuidRegisters spell(u32 eax, std::string_view text) {
    u32 words[3]{};
    for (std::size_t i = 0; i < text.size(); ++i)
        words[i / 4] |= static_cast<u32>(text[i]) << (8 * (i % 4));
    return {eax, words[0], words[1], words[2]};
}

/// XCR0 bits that are both permitted and in the host, without half a feature (SDM 1 13.3).
u64 usable_xcr0(CpuidSource host) {
    if (!has_feature(host, CpuFeature::XSAVE))
        return 0;
    u64 mask = read_valid_leaf(host, 0xd).eax & permitted_xcr0;
    if ((mask & xcr0::AVX) == 0 || (mask & xcr0::AVX512) != xcr0::AVX512)
        mask &= ~xcr0::AVX512;
    return (mask & (xcr0::X87 | xcr0::SSE)) == (xcr0::X87 | xcr0::SSE) ? mask : 0;
}

bool is_met(CpuidNeeds needs, const GuestCpuidParameters& parameters, u64 xcr0_mask) {
    switch (needs) {
    case CpuidNeeds::Nothing:
    case CpuidNeeds::TscDeadline:
    case CpuidNeeds::Speculation:
        return true;
    case CpuidNeeds::Invpcid:
        return parameters.invpcid_works;
    case CpuidNeeds::Rdtscp:
        return parameters.rdtscp_works;
    case CpuidNeeds::Xcr0:
        return xcr0_mask != 0;
    case CpuidNeeds::Xcr0Avx:
        return (xcr0_mask & xcr0::AVX) != 0;
    case CpuidNeeds::Xcr0Avx512:
        return (xcr0_mask & xcr0::AVX512) != 0;
    case CpuidNeeds::Xcr0Pkru:
        return (xcr0_mask & xcr0::PKRU) != 0;
    }
    return false;
}

/// The rows' features as masks of the words.
constexpr auto row_masks = [] {
    std::array<std::array<u32, cpuid_words>, cpuid_policy.size()> masks{};
    for (std::size_t row = 0; row < cpuid_policy.size(); ++row) {
        for (const CpuFeature feature : cpuid_policy[row].features)
            masks[row][static_cast<u16>(word_of(feature))] |= bit_of(feature);
    }
    return masks;
}();

CpuidRegisters* slot(GuestCpuid& guest, u32 leaf, u32 subleaf) {
    if (leaf >= extended)
        return &guest.extended[leaf - extended];
    if (leaf == 0x7)
        return &guest.structured[subleaf];
    if (leaf == 0xd)
        return &guest.xsave[subleaf];
    return &guest.basic[leaf];
}

void select_features(GuestCpuid& guest, CpuidSource host, const GuestCpuidParameters& parameters) {
    for (u16 word = 0; word < cpuid_words; ++word) {
        u32 allowed = 0;
        for (std::size_t row = 0; row < cpuid_policy.size(); ++row) {
            if (is_met(cpuid_policy[row].needs, parameters, guest.xcr0_mask))
                allowed |= row_masks[row][word];
        }
        guest.words[word] = read_word(host, static_cast<CpuidWord>(word)) & allowed;
    }
    const auto show = [&guest](CpuFeature feature) {
        guest.words[static_cast<u16>(word_of(feature))] |= bit_of(feature);
    };
    std::ranges::for_each(cpuid_always::both, show);
    if (guest.vendor == CpuVendor::Amd)
        std::ranges::for_each(cpuid_always::amd, show);
    if (parameters.cpu_count > 1) {
        show(CpuFeature::HTT); // "1 EBX[23:16] is valid", not threads
        if (guest.vendor == CpuVendor::Amd)
            show(CpuFeature::CmpLegacy);
    }
}

/// Leaves 6 and 0xb are ours, so they exist on every CPU; nothing above 0x1f and 0x80000021 is shown.
void set_maximum_leaves(GuestCpuid& guest, CpuidSource host) {
    guest.basic[0] = host(0);
    guest.basic[0].eax = std::clamp(guest.basic[0].eax, 0xbu, 0x1fu);
    guest.extended[0] = host(extended);
    const u32 lowest = extended + 8;
    const u32 highest = extended + static_cast<u32>(guest.extended.size()) - 1;
    guest.extended[0].eax = std::clamp(guest.extended[0].eax, lowest, highest);
    if (guest.vendor != CpuVendor::Amd)
        guest.extended[0] = {guest.extended[0].eax, 0, 0, 0};
}

void copy_leaves(GuestCpuid& guest, CpuidSource host) {
    for (const CpuidLeafRow& row : cpuid_leaves) {
        const CpuidRegisters value = read_valid_leaf(host, row.leaf);
        *slot(guest, row.leaf, 0) = {value.eax & row.mask.eax, value.ebx & row.mask.ebx, value.ecx & row.mask.ecx,
                                     value.edx & row.mask.edx};
    }
}

void set_features(GuestCpuid& guest) {
    for (u16 word = 0; word < cpuid_words; ++word) {
        const CpuidLocation at = location(static_cast<CpuidWord>(word));
        slot(guest, at.leaf, at.subleaf)->*at.reg |= guest.words[word];
    }
    guest.structured[0].eax = 2;
    if (guest.vendor == CpuVendor::Amd)
        guest.extended[1].edx |= guest.basic[1].edx & amd_repeated_edx;
    // Linear addresses have 48 bits, as LA57 is not shown.
    guest.extended[8].eax |= 48u << 8;
}

void set_topology(GuestCpuid& guest, const GuestCpuidParameters& parameters) {
    const u32 id = parameters.virtual_apic_id;
    const u32 count = parameters.cpu_count;
    const u32 core_bits = static_cast<u32>(std::bit_width(count - 1));
    guest.basic[1].ebx |= std::min(count, 255u) << 16 | (id & 0xff) << 24;
    guest.topology[0] = {0, 1, 0 | level_thread, id};
    guest.topology[1] = {core_bits, count, 1 | level_core, id};
    guest.topology[2] = {0, 0, 2, id};
    if (guest.vendor != CpuVendor::Amd)
        return;
    guest.extended[8].ecx = core_bits << 12 | ((count - 1) & 0xff);
    if (guest.has(CpuFeature::TopologyExtensions))
        guest.extended[0x1e] = {id, id & 0xff, 0, 0};
}

/// Level 1 and 2 belong to a core; from level 3 on all of the guest's cores share. (SDM 2A, leaf 4; APM 3 E.4.15)
void set_caches(GuestCpuid& guest, CpuidSource host, u32 cpu_count) {
    const bool amd = guest.vendor == CpuVendor::Amd;
    if (amd && !guest.has(CpuFeature::TopologyExtensions))
        return;
    const u32 sharing = std::min(std::bit_ceil(cpu_count), 4096u) - 1;
    const u32 cores = std::min(std::bit_ceil(cpu_count), 64u) - 1;
    for (u32 i = 0; i + 1 < guest.caches.size(); ++i) {
        const CpuidRegisters value = read_valid_leaf(host, amd ? extended + 0x1d : 4, i);
        if ((value.eax & 0x1f) == 0)
            return;
        const u32 level = value.eax >> 5 & 7;
        guest.caches[i] = {(value.eax & 0x3ff) | (level >= 3 ? sharing << 14 : 0) | (amd ? 0 : cores << 26), value.ebx,
                           value.ecx, value.edx & 7};
    }
}

void set_xsave(GuestCpuid& guest, CpuidSource host) {
    if (guest.xcr0_mask == 0)
        return;
    for (u32 component = 2; component + 1 < guest.xsave.size(); ++component) {
        if ((guest.xcr0_mask >> component & 1) == 0)
            continue;
        const CpuidRegisters value = read_valid_leaf(host, 0xd, component);
        guest.xsave[component] = {value.eax, value.ebx, value.ecx & 2, 0}; // ECX[1]: aligned to 64 bytes when compacted
    }
    guest.xsave[0].eax = static_cast<u32>(guest.xcr0_mask);
    guest.xsave[0].ecx = guest.xsave_size(guest.xcr0_mask, false);
}

void set_hypervisor_leaves(GuestCpuid& guest, const GuestCpuidParameters& parameters) {
    guest.hypervisor[0] = spell(0x4000'0010, "BulkheadHV");
    guest.hypervisor[0x10].eax = static_cast<u32>(parameters.tsc_hz / 1000);
    guest.hypervisor[0x10].ebx = static_cast<u32>(parameters.apic_bus_hz / 1000);
    guest.kvm[0] = spell(0x4000'0101, "KVMKVMKVM");
    guest.kvm[1].eax = kvm_feature_nop_io_delay | kvm_feature_clocksource2 | kvm_feature_msi_ext_dest_id |
                       kvm_feature_clocksource_stable;
}

} // namespace

GuestCpuid make_guest_cpuid(CpuidSource host, const GuestCpuidParameters& parameters) {
    GuestCpuid guest;
    guest.xcr0_mask = usable_xcr0(host);
    guest.vendor = vendor_of(host(0));
    select_features(guest, host, parameters);
    set_maximum_leaves(guest, host);
    copy_leaves(guest, host);
    set_features(guest);
    set_topology(guest, parameters);
    set_caches(guest, host, parameters.cpu_count);
    set_xsave(guest, host);
    set_hypervisor_leaves(guest, parameters);
    guest.update({});
    return guest;
}

} // namespace bulkhead
