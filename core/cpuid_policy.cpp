// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "core/cpuid_policy.hpp"

#include <algorithm>
#include <bit>
#include <string_view>

#include "core/cpuid_policy_table.hpp"

namespace bulkhead {

namespace {

constexpr u32 extended = 0x8000'0000;
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

constexpr CpuidRegisters absent{};

/// The rows' features as masks of the words.
constexpr auto row_masks = [] {
    std::array<std::array<u32, cpuid_words>, cpuid_policy.size()> masks{};
    for (std::size_t row = 0; row < cpuid_policy.size(); ++row) {
        for (const CpuFeature feature : cpuid_policy[row].features)
            masks[row][static_cast<u16>(word_of(feature))] |= bit_of(feature);
    }
    return masks;
}();

constexpr u32 with(u32 word, u32 mask, bool on) { return on ? word | mask : word & ~mask; }

} // namespace

GuestCpuid::GuestCpuid(CpuidSource host, const GuestCpuidParameters& parameters)
    : xcr0_mask_(usable_xcr0(host)), vendor_(vendor_of(host(0))) {
    select_features(host, parameters);
    set_maximum_leaves(host);
    copy_leaves(host);
    set_features();
    set_topology(parameters);
    set_caches(host, parameters.cpu_count);
    set_xsave(host);
    set_hypervisor_leaves(parameters);
    update({});
}

void GuestCpuid::select_features(CpuidSource host, const GuestCpuidParameters& parameters) {
    for (u16 word = 0; word < cpuid_words; ++word) {
        u32 allowed = 0;
        for (std::size_t row = 0; row < cpuid_policy.size(); ++row) {
            if (is_met(cpuid_policy[row].needs, parameters, xcr0_mask_))
                allowed |= row_masks[row][word];
        }
        words_[word] = read_word(host, static_cast<CpuidWord>(word)) & allowed;
    }
    const auto show = [this](CpuFeature feature) { words_[static_cast<u16>(word_of(feature))] |= bit_of(feature); };
    std::ranges::for_each(cpuid_always::both, show);
    if (vendor_ == CpuVendor::Amd)
        std::ranges::for_each(cpuid_always::amd, show);
    if (parameters.cpu_count > 1) {
        show(CpuFeature::HTT); // "1 EBX[23:16] is valid", not threads
        if (vendor_ == CpuVendor::Amd)
            show(CpuFeature::CmpLegacy);
    }
}

/// Leaves 6 and 0xb are ours, so they exist on every CPU; nothing above 0x1f and 0x80000021 is shown.
void GuestCpuid::set_maximum_leaves(CpuidSource host) {
    basic_[0] = host(0);
    basic_[0].eax = std::clamp(basic_[0].eax, 0xbu, 0x1fu);
    extended_[0] = host(extended);
    const u32 lowest = extended + 8;
    const u32 highest = extended + static_cast<u32>(extended_.size()) - 1;
    extended_[0].eax = std::clamp(extended_[0].eax, lowest, highest);
    if (vendor_ != CpuVendor::Amd)
        extended_[0] = {extended_[0].eax, 0, 0, 0};
}

void GuestCpuid::copy_leaves(CpuidSource host) {
    for (const CpuidLeafRow& row : cpuid_leaves) {
        const CpuidRegisters value = read_valid_leaf(host, row.leaf);
        *slot(row.leaf, 0) = {value.eax & row.mask.eax, value.ebx & row.mask.ebx, value.ecx & row.mask.ecx,
                              value.edx & row.mask.edx};
    }
}

void GuestCpuid::set_features() {
    for (u16 word = 0; word < cpuid_words; ++word) {
        const CpuidLocation at = location(static_cast<CpuidWord>(word));
        slot(at.leaf, at.subleaf)->*at.reg |= words_[word];
    }
    structured_[0].eax = 2;
    if (vendor_ == CpuVendor::Amd)
        extended_[1].edx |= basic_[1].edx & amd_repeated_edx;
    // Linear addresses have 48 bits, as LA57 is not shown.
    extended_[8].eax |= 48u << 8;
}

void GuestCpuid::set_topology(const GuestCpuidParameters& parameters) {
    const u32 id = parameters.virtual_apic_id;
    const u32 count = parameters.cpu_count;
    const u32 core_bits = static_cast<u32>(std::bit_width(count - 1));
    basic_[1].ebx |= std::min(count, 255u) << 16 | (id & 0xff) << 24;
    topology_[0] = {0, 1, 0 | level_thread, id};
    topology_[1] = {core_bits, count, 1 | level_core, id};
    topology_[2] = {0, 0, 2, id};
    if (vendor_ != CpuVendor::Amd)
        return;
    extended_[8].ecx = core_bits << 12 | ((count - 1) & 0xff);
    if (has(CpuFeature::TopologyExtensions))
        extended_[0x1e] = {id, id & 0xff, 0, 0};
}

/// Level 1 and 2 belong to a core; from level 3 on all of the guest's cores share. (SDM 2A, leaf 4; APM 3 E.4.15)
void GuestCpuid::set_caches(CpuidSource host, u32 cpu_count) {
    const bool amd = vendor_ == CpuVendor::Amd;
    if (amd && !has(CpuFeature::TopologyExtensions))
        return;
    const u32 sharing = std::min(std::bit_ceil(cpu_count), 4096u) - 1;
    const u32 cores = std::min(std::bit_ceil(cpu_count), 64u) - 1;
    for (u32 i = 0; i + 1 < caches_.size(); ++i) {
        const CpuidRegisters value = read_valid_leaf(host, amd ? extended + 0x1d : 4, i);
        if ((value.eax & 0x1f) == 0)
            return;
        const u32 level = value.eax >> 5 & 7;
        caches_[i] = {(value.eax & 0x3ff) | (level >= 3 ? sharing << 14 : 0) | (amd ? 0 : cores << 26), value.ebx,
                      value.ecx, value.edx & 7};
    }
}

void GuestCpuid::set_xsave(CpuidSource host) {
    if (xcr0_mask_ == 0)
        return;
    for (u32 component = 2; component + 1 < xsave_.size(); ++component) {
        if ((xcr0_mask_ >> component & 1) == 0)
            continue;
        const CpuidRegisters value = read_valid_leaf(host, 0xd, component);
        xsave_[component] = {value.eax, value.ebx, value.ecx & 2, 0}; // ECX[1]: aligned to 64 bytes when compacted
    }
    xsave_[0].eax = static_cast<u32>(xcr0_mask_);
    xsave_[0].ecx = xsave_size(xcr0_mask_, false);
}

/// Bytes of the XSAVE area (SDM 1 13.4.2, 13.4.3).
u32 GuestCpuid::xsave_size(u64 xcr0, bool compacted) const {
    u32 size = 512 + 64;
    for (u32 component = 2; component + 1 < xsave_.size(); ++component) {
        if ((xcr0 >> component & 1) == 0)
            continue;
        const CpuidRegisters& state = xsave_[component];
        if (compacted && (state.ecx & 2) != 0)
            size = (size + 63) & ~63u;
        size = compacted ? size + state.eax : std::max(size, state.ebx + state.eax);
    }
    return size;
}

void GuestCpuid::set_hypervisor_leaves(const GuestCpuidParameters& parameters) {
    hypervisor_[0] = spell(0x4000'0010, "BulkheadHV");
    hypervisor_[0x10].eax = static_cast<u32>(parameters.tsc_hz / 1000);
    hypervisor_[0x10].ebx = static_cast<u32>(parameters.apic_bus_hz / 1000);
    kvm_[0] = spell(0x4000'0101, "KVMKVMKVM");
    kvm_[1].eax = kvm_feature_nop_io_delay | kvm_feature_clocksource2 | kvm_feature_msi_ext_dest_id |
                  kvm_feature_clocksource_stable;
}

void GuestCpuid::update(const CpuidDynamicState& state) {
    const bool os_xsave = has(CpuFeature::XSAVE) && (state.cr4 & cr4::OSXSAVE) != 0;
    const bool os_pke = has(CpuFeature::PKU) && (state.cr4 & cr4::PKE) != 0;
    basic_[1].ecx = with(basic_[1].ecx, bit_of(CpuFeature::OSXSAVE), os_xsave);
    structured_[0].ecx = with(structured_[0].ecx, bit_of(CpuFeature::OSPKE), os_pke);
    basic_[1].edx = with(basic_[1].edx, bit_of(CpuFeature::APIC), state.apic_enabled);
    if (vendor_ == CpuVendor::Amd)
        extended_[1].edx = with(extended_[1].edx, bit_of(CpuFeature::APIC), state.apic_enabled);
    if (xcr0_mask_ == 0)
        return;
    xsave_[0].ebx = xsave_size(state.xcr0, false);
    if (has(CpuFeature::XSAVEC))
        xsave_[1].ebx = xsave_size(state.xcr0, true);
}

const CpuidRegisters& GuestCpuid::lookup_subleaf(u32 leaf, u32 subleaf) const {
    const auto pick = [subleaf](const auto& table) -> const CpuidRegisters& {
        return table[std::min<std::size_t>(subleaf, table.size() - 1)];
    };
    if (leaf > basic_[0].eax)
        return absent;
    if (leaf == 0x4)
        return vendor_ == CpuVendor::Amd ? absent : pick(caches_);
    if (leaf == 0x7)
        return pick(structured_);
    if (leaf == 0xd)
        return pick(xsave_);
    return pick(topology_); // 0xb and 0x1f
}

const CpuidRegisters& GuestCpuid::lookup_other(u32 leaf, u32 subleaf) const {
    if (const u32 index = leaf - extended; index < extended_.size()) {
        if (index == 0x1d)
            return vendor_ == CpuVendor::Amd ? caches_[std::min<std::size_t>(subleaf, caches_.size() - 1)] : absent;
        return extended_[index];
    }
    if (const u32 index = leaf - 0x4000'0100; index < kvm_.size())
        return kvm_[index];
    return absent;
}

CpuidRegisters* GuestCpuid::slot(u32 leaf, u32 subleaf) {
    if (leaf >= extended)
        return &extended_[leaf - extended];
    if (leaf == 0x7)
        return &structured_[subleaf];
    if (leaf == 0xd)
        return &xsave_[subleaf];
    return &basic_[leaf];
}

} // namespace bulkhead
