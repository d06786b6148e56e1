// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// How an APIC ID is divided into package, core and thread.
#pragma once

#include <bit>
#include <concepts>
#include <span>

#include "boot/boot_info.hpp"

namespace bulkhead::boot {

/// CPUID as a parameter: `cpuid(leaf, subleaf)`, so that tests replay recordings.
template <class T>
concept CpuidSource = requires(const T& cpuid) {
    { cpuid(u32{}, u32{}).eax + cpuid(u32{}, u32{}).ebx } -> std::same_as<u32>;
    { cpuid(u32{}, u32{}).ecx + cpuid(u32{}, u32{}).edx } -> std::same_as<u32>;
};

struct ApicIdLayout {
    u32 smt_shift = 0;     ///< bits that tell the threads of a core apart
    u32 package_shift = 0; ///< bits below the package number
};

/// Bits needed to number `count` things from 0.
constexpr u32 bits_for(u32 count) { return count <= 1 ? 0 : static_cast<u32>(std::bit_width(count - 1)); }

/// The layout by the extended topology leaf (SDM 3A 10.9.1: 1Fh where there is one, else 0Bh); both shifts 0 where the
/// leaf is not there.
template <CpuidSource Cpuid> ApicIdLayout layout_by_extended_leaf(const Cpuid& cpuid, u32 leaf) {
    constexpr u32 max_levels = 8;
    constexpr u32 smt = 1;
    ApicIdLayout layout;
    for (u32 level = 0; level < max_levels; ++level) {
        const auto registers = cpuid(leaf, level);
        const u32 type = (registers.ecx >> 8) & 0xff;
        if (type == 0)
            break;
        const u32 shift = registers.eax & 0x1f;
        if (type == smt)
            layout.smt_shift = shift;
        layout.package_shift = shift;
    }
    return layout;
}

/// AMD without leaf 0Bh: APM 3 E.4.7 (8000_0008h) and E.4.17 (8000_001Eh).
template <CpuidSource Cpuid> ApicIdLayout layout_by_amd_leaves(const Cpuid& cpuid, u32 max_extended) {
    constexpr u32 topology_extensions = 1u << 22;
    ApicIdLayout layout;
    if (max_extended >= 0x8000'0008) {
        const u32 ecx = cpuid(0x8000'0008, 0).ecx;
        const u32 apic_id_size = (ecx >> 12) & 0xf;
        layout.package_shift = apic_id_size != 0 ? apic_id_size : bits_for((ecx & 0xff) + 1);
    }
    if (max_extended >= 0x8000'001e && (cpuid(0x8000'0001, 0).ecx & topology_extensions) != 0)
        layout.smt_shift = bits_for(((cpuid(0x8000'001e, 0).ebx >> 8) & 0xff) + 1);
    return layout;
}

/// Intel without leaf 0Bh: SDM 3A 10.9.3, by leaves 1 and 4.
template <CpuidSource Cpuid> ApicIdLayout layout_by_legacy_leaves(const Cpuid& cpuid, u32 max_leaf) {
    constexpr u32 htt = 1u << 28;
    const auto one = cpuid(1, 0);
    if ((one.edx & htt) == 0)
        return {};
    const u32 package_shift = bits_for((one.ebx >> 16) & 0xff);
    const u32 core_bits = max_leaf >= 4 ? bits_for((cpuid(4, 0).eax >> 26) + 1) : 0;
    return {.smt_shift = package_shift > core_bits ? package_shift - core_bits : 0, .package_shift = package_shift};
}

template <CpuidSource Cpuid> ApicIdLayout apic_id_layout(const Cpuid& cpuid) {
    const auto vendor = cpuid(0, 0);
    const u32 max_leaf = vendor.eax;
    for (u32 leaf : {0x1fu, 0xbu})
        if (max_leaf >= leaf && cpuid(leaf, 0).ebx != 0)
            return layout_by_extended_leaf(cpuid, leaf);
    constexpr u32 auth = 0x68747541; // "AuthenticAMD"
    const u32 max_extended = cpuid(0x8000'0000, 0).eax;
    return vendor.ebx == auth ? layout_by_amd_leaves(cpuid, max_extended) : layout_by_legacy_leaves(cpuid, max_leaf);
}

/// The APIC ID of the processor that runs.
template <CpuidSource Cpuid> u32 own_apic_id(const Cpuid& cpuid) {
    const u32 max_leaf = cpuid(0, 0).eax;
    for (u32 leaf : {0x1fu, 0xbu})
        if (max_leaf >= leaf && cpuid(leaf, 0).ebx != 0)
            return cpuid(leaf, 0).edx;
    return cpuid(1, 0).ebx >> 24;
}

/// Fills in core and package of each processor.
inline void apply_layout(std::span<CpuInfo> cpus, const ApicIdLayout& layout) {
    for (CpuInfo& cpu : cpus) {
        cpu.core = cpu.apic_id >> layout.smt_shift;
        cpu.package = cpu.apic_id >> layout.package_shift;
    }
}

} // namespace bulkhead::boot
