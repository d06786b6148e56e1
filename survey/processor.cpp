// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "survey/processor.hpp"

#include <cstring>

#include "boot/topology.hpp"

namespace bulkhead::survey {

namespace {

/// The bytes of registers, in this order, as characters; up to the first zero, without blanks at the front.
template <std::size_t Count> struct Words {
    u32 words[Count];

    [[nodiscard]] std::string_view text(char (&buffer)[Count * 4 + 1]) const {
        for (std::size_t i = 0; i < Count * 4; ++i)
            buffer[i] = static_cast<char>(words[i / 4] >> (8 * (i % 4)));
        buffer[Count * 4] = 0;
        std::string_view text(buffer);
        while (text.starts_with(' '))
            text.remove_prefix(1);
        return text;
    }
};

FixedText<12> three_words(u32 a, u32 b, u32 c) {
    char buffer[13];
    return Words<3>{{a, b, c}}.text(buffer);
}

FixedText<48> brand(CpuidSource cpuid) {
    constexpr u32 first = 0x8000'0002;
    constexpr u32 last = 0x8000'0004;
    if (cpuid(0x8000'0000).eax < last || cpuid(0x8000'0000).eax > 0x8000'ffff)
        return {};
    Words<12> words{};
    for (u32 leaf = first; leaf <= last; ++leaf) {
        const CpuidRegisters r = cpuid(leaf);
        const u32 four[] = {r.eax, r.ebx, r.ecx, r.edx};
        std::memcpy(words.words + (leaf - first) * 4, four, sizeof four);
    }
    char buffer[49];
    return words.text(buffer);
}

/// SDM 2A "CPUID", table 3-8 and figure 3-6; AMD counts the same (APM 3 E.3.2).
void decode_signature(Processor& processor) {
    const u32 family = processor.signature >> 8 & 0xf;
    processor.family = family == 0xf ? family + (processor.signature >> 20 & 0xff) : family;
    processor.model = processor.signature >> 4 & 0xf;
    if (family == 0xf || family == 6)
        processor.model |= processor.signature >> 12 & 0xf0;
    processor.stepping = processor.signature & 0xf;
}

/// SDM 2A leaf 4 and APM 3 E.4.15 leaf 8000_001Dh have the same layout.
void read_cache_leaf(Inventory& inventory, CpuidSource cpuid, u32 leaf) {
    constexpr u32 max_caches = 8;
    for (u32 i = 0; i < max_caches; ++i) {
        const CpuidRegisters r = cpuid(leaf, i);
        if ((r.eax & 0x1f) == 0)
            return;
        const u32 ways = (r.ebx >> 22) + 1;
        const u32 partitions = (r.ebx >> 12 & 0x3ff) + 1;
        const u32 line = (r.ebx & 0xfff) + 1;
        inventory.add(inventory.caches,
                      {.level = r.eax >> 5 & 7,
                       .type = r.eax & 0x1f,
                       .bytes = u64{ways} * partitions * line * (u64{r.ecx} + 1),
                       .ways = (r.eax >> 9 & 1) != 0 ? 0 : ways,
                       .line = line,
                       .threads = (r.eax >> 14 & 0xfff) + 1},
                      "caches");
    }
}

/// APM 3 E.4.4, E.4.5: sizes alone, on processors without topology extensions.
void read_old_amd_caches(Inventory& inventory, CpuidSource cpuid) {
    if (cpuid(0x8000'0000).eax < 0x8000'0006)
        return;
    const CpuidRegisters l1 = cpuid(0x8000'0005);
    const CpuidRegisters l2 = cpuid(0x8000'0006);
    const Cache caches[] = {
        {.level = 1, .type = 1, .bytes = (l1.ecx >> 24) * KiB, .line = l1.ecx & 0xff},
        {.level = 1, .type = 2, .bytes = (l1.edx >> 24) * KiB, .line = l1.edx & 0xff},
        {.level = 2, .type = 3, .bytes = (l2.ecx >> 16) * KiB, .line = l2.ecx & 0xff},
        {.level = 3, .type = 3, .bytes = (l2.edx >> 18) * 512 * KiB, .line = l2.edx & 0xff},
    };
    for (const Cache& cache : caches)
        if (cache.bytes != 0)
            inventory.add(inventory.caches, cache, "caches");
}

void read_caches(Inventory& inventory, CpuidSource cpuid, CpuVendor vendor) {
    if (vendor != CpuVendor::Amd) {
        if (cpuid(0).eax >= 4)
            read_cache_leaf(inventory, cpuid, 4);
    } else if (cpuid(0x8000'0000).eax >= 0x8000'001d && has_feature(cpuid, CpuFeature::TopologyExtensions)) {
        read_cache_leaf(inventory, cpuid, 0x8000'001d);
    } else {
        read_old_amd_caches(inventory, cpuid);
    }
    if (inventory.caches.empty())
        inventory.note("CPU caches", "CPUID does not describe them");
}

} // namespace

bool has(const Processor& processor, CpuFeature feature) {
    for (std::size_t i = 0; i < listed_features.size(); ++i)
        if (listed_features[i].feature == feature)
            return (processor.features >> i & 1) != 0;
    return false;
}

void survey_processor(Inventory& inventory, CpuidSource cpuid) {
    Processor& processor = inventory.processor;
    const CpuidRegisters zero = cpuid(0);
    processor.vendor = three_words(zero.ebx, zero.edx, zero.ecx);
    processor.name = brand(cpuid);
    processor.signature = cpuid(1).eax;
    decode_signature(processor);
    const u32 sizes = read_valid_leaf(cpuid, 0x8000'0008).eax;
    processor.physical_bits = sizes & 0xff;
    processor.linear_bits = sizes >> 8 & 0xff;
    for (std::size_t i = 0; i < listed_features.size(); ++i)
        if (has_feature(cpuid, listed_features[i].feature))
            processor.features |= u64{1} << i;
    processor.hypervisor = has_feature(cpuid, CpuFeature::HYPERVISOR);
    if (processor.hypervisor) {
        const CpuidRegisters name = cpuid(0x4000'0000);
        processor.hypervisor_name = three_words(name.ebx, name.ecx, name.edx);
    }
    const CpuVendor vendor = vendor_of(zero);
    if (vendor == CpuVendor::Unknown)
        inventory.note("CPU", "its vendor is not known");
    read_caches(inventory, cpuid, vendor);
    Virtualization& words = inventory.virtualization;
    words.has_vmx = has_feature(cpuid, CpuFeature::VMX);
    words.has_svm = has_feature(cpuid, CpuFeature::SVM);
    if (words.has_svm) {
        const CpuidRegisters svm = read_valid_leaf(cpuid, 0x8000'000a);
        words.asids = svm.ebx;
        words.svm_edx = svm.edx;
    }
}

void apply_topology(Inventory& inventory, CpuidSource cpuid) {
    boot::apply_layout(inventory.cpus.span(), boot::apic_id_layout(cpuid));
}

} // namespace bulkhead::survey
