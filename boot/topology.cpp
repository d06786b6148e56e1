// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "boot/topology.hpp"

#include <algorithm>
#include <bit>

namespace bulkhead::boot {

namespace {

/// Bits needed to number `count` things from 0.
constexpr u32 bits_for(u32 count) { return count <= 1 ? 0 : static_cast<u32>(std::bit_width(count - 1)); }

/// The extended topology leaf that this CPU has, or 0.
u32 topology_leaf(const CpuidSource& cpuid) {
    const u32 max_leaf = cpuid(0).eax;
    for (const u32 leaf : {0x1fu, 0xbu})
        if (max_leaf >= leaf && cpuid(leaf).ebx != 0)
            return leaf;
    return 0;
}

ApicIdLayout by_topology_leaf(const CpuidSource& cpuid, u32 leaf) {
    constexpr u32 max_levels = 8;
    constexpr u32 smt = 1;
    ApicIdLayout layout;
    for (u32 level = 0; level < max_levels; ++level) {
        const CpuidRegisters registers = cpuid(leaf, level);
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

ApicIdLayout by_amd_leaves(const CpuidSource& cpuid) {
    constexpr u32 topology_extensions = 1u << 22;
    const u32 max_leaf = cpuid(0x8000'0000).eax;
    ApicIdLayout layout;
    if (max_leaf >= 0x8000'0008) {
        const u32 ecx = cpuid(0x8000'0008).ecx;
        const u32 apic_id_size = (ecx >> 12) & 0xf;
        layout.package_shift = apic_id_size != 0 ? apic_id_size : bits_for((ecx & 0xff) + 1);
    }
    if (max_leaf >= 0x8000'001e && (cpuid(0x8000'0001).ecx & topology_extensions) != 0)
        layout.smt_shift = bits_for(((cpuid(0x8000'001e).ebx >> 8) & 0xff) + 1);
    return layout;
}

ApicIdLayout by_legacy_leaves(const CpuidSource& cpuid) {
    constexpr u32 htt = 1u << 28;
    const CpuidRegisters one = cpuid(1);
    if ((one.edx & htt) == 0)
        return {};
    const u32 package_shift = bits_for((one.ebx >> 16) & 0xff);
    const u32 core_bits = cpuid(0).eax >= 4 ? bits_for((cpuid(4).eax >> 26) + 1) : 0;
    return {.smt_shift = package_shift > core_bits ? package_shift - core_bits : 0, .package_shift = package_shift};
}

/// The leaf whose subleaves describe the caches, or 0.
u32 cache_leaf(const CpuidSource& cpuid, bool amd) {
    constexpr u32 topology_extensions = 1u << 22;
    if (!amd)
        return cpuid(0).eax >= 4 ? 4 : 0;
    const bool described = cpuid(0x8000'0000).eax >= 0x8000'001d && (cpuid(0x8000'0001).ecx & topology_extensions) != 0;
    return described ? 0x8000'001d : 0;
}

/// Both leaves have the same layout. Instruction caches are not looked at. `otherwise` where there is no cache.
u32 last_cache_shift(const CpuidSource& cpuid, u32 leaf, u32 otherwise) {
    constexpr u32 max_caches = 16;
    constexpr u32 instructions = 2;
    u32 last_level = 0;
    for (u32 i = 0; leaf != 0 && i < max_caches; ++i) {
        const u32 eax = cpuid(leaf, i).eax;
        const u32 type = eax & 0x1f;
        const u32 level = eax >> 5 & 7;
        if (type == 0)
            break;
        if (type == instructions || level <= last_level)
            continue;
        last_level = level;
        otherwise = bits_for((eax >> 14 & 0xfff) + 1);
    }
    return otherwise;
}

} // namespace

ApicIdLayout apic_id_layout(const CpuidSource& cpuid) {
    constexpr u32 auth = 0x6874'7541; // EBX of "AuthenticAMD"
    constexpr u32 hygo = 0x6f67'7948; // EBX of "HygonGenuine"
    const u32 leaf = topology_leaf(cpuid);
    const u32 vendor = cpuid(0).ebx;
    const bool amd = vendor == auth || vendor == hygo;
    ApicIdLayout layout = leaf != 0 ? by_topology_leaf(cpuid, leaf)
                          : amd     ? by_amd_leaves(cpuid)
                                    : by_legacy_leaves(cpuid);
    layout.package_shift = std::max(layout.package_shift, layout.smt_shift);
    const u32 cache = last_cache_shift(cpuid, cache_leaf(cpuid, amd), layout.package_shift);
    layout.cache_shift = std::clamp(cache, layout.smt_shift, layout.package_shift);
    return layout;
}

u32 own_apic_id(const CpuidSource& cpuid) {
    const u32 leaf = topology_leaf(cpuid);
    return leaf != 0 ? cpuid(leaf).edx : cpuid(1).ebx >> 24;
}

void apply_layout(std::span<CpuInfo> cpus, const ApicIdLayout& layout) {
    for (CpuInfo& cpu : cpus) {
        cpu.core = cpu.apic_id >> layout.smt_shift;
        cpu.package = cpu.apic_id >> layout.package_shift;
        cpu.cache = cpu.apic_id >> layout.cache_shift;
    }
}

} // namespace bulkhead::boot
