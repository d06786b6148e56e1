// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "core/guest_cpuid.hpp"

#include <algorithm>

#include "arch/x86_64/control_bits.hpp"

namespace bulkhead {

namespace {

constexpr u32 kvm_leaves = 0x4000'0100;
constexpr CpuidRegisters absent{};

constexpr u32 with(u32 word, u32 mask, bool on) { return on ? word | mask : word & ~mask; }

} // namespace

u32 GuestCpuid::xsave_size(u64 xcr0, bool compacted) const {
    u32 size = 512 + 64;
    for (u32 component = 2; component + 1 < xsave.size(); ++component) {
        if ((xcr0 >> component & 1) == 0)
            continue;
        const CpuidRegisters& state = xsave[component];
        if (compacted && (state.ecx & 2) != 0)
            size = (size + 63) & ~63u;
        size = compacted ? size + state.eax : std::max(size, state.ebx + state.eax);
    }
    return size;
}

void GuestCpuid::update(const CpuidDynamicState& state) {
    const bool os_xsave = has(CpuFeature::XSAVE) && (state.cr4 & cr4::OSXSAVE) != 0;
    const bool os_pke = has(CpuFeature::PKU) && (state.cr4 & cr4::PKE) != 0;
    basic[1].ecx = with(basic[1].ecx, bit_of(CpuFeature::OSXSAVE), os_xsave);
    structured[0].ecx = with(structured[0].ecx, bit_of(CpuFeature::OSPKE), os_pke);
    basic[1].edx = with(basic[1].edx, bit_of(CpuFeature::APIC), state.apic_enabled);
    if (vendor == CpuVendor::Amd)
        extended[1].edx = with(extended[1].edx, bit_of(CpuFeature::APIC), state.apic_enabled);
    if (xcr0_mask == 0)
        return;
    xsave[0].ebx = xsave_size(state.xcr0, false);
    if (has(CpuFeature::XSAVEC))
        xsave[1].ebx = xsave_size(state.xcr0, true);
}

const CpuidRegisters& GuestCpuid::lookup_subleaf(u32 leaf, u32 subleaf) const {
    const auto pick = [subleaf](const auto& table) -> const CpuidRegisters& {
        return table[std::min<std::size_t>(subleaf, table.size() - 1)];
    };
    if (leaf > basic[0].eax)
        return absent;
    if (leaf == 0x4)
        return vendor == CpuVendor::Amd ? absent : pick(caches);
    if (leaf == 0x7)
        return pick(structured);
    if (leaf == 0xd)
        return pick(xsave);
    return pick(topology); // 0xb and 0x1f
}

const CpuidRegisters& GuestCpuid::lookup_other(u32 leaf, u32 subleaf) const {
    if (const u32 index = leaf - extended_leaves; index < extended.size()) {
        if (index == 0x1d)
            return vendor == CpuVendor::Amd ? caches[std::min<std::size_t>(subleaf, caches.size() - 1)] : absent;
        return extended[index];
    }
    if (const u32 index = leaf - kvm_leaves; index < kvm.size())
        return kvm[index];
    return absent;
}

} // namespace bulkhead
