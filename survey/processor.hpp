// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// What CPUID and the MSRs of virtualization say of a processor.
#pragma once

#include "arch/x86_64/cpuid.hpp"
#include "survey/inventory.hpp"
#include "vmx/capabilities.hpp"

namespace bulkhead::survey {

struct ListedFeature {
    CpuFeature feature;
    std::string_view name;
};

/// What the hypervisor, or a person who plans guests, wants to know of. A bit of Processor::features each.
inline constexpr auto listed_features = std::to_array<ListedFeature>({
    {CpuFeature::VMX, "vmx"},
    {CpuFeature::SVM, "svm"},
    {CpuFeature::NP, "npt"},
    {CpuFeature::NRIPS, "nrips"},
    {CpuFeature::DecodeAssists, "decode-assists"},
    {CpuFeature::FlushByAsid, "flush-by-asid"},
    {CpuFeature::VmcbClean, "vmcb-clean"},
    {CpuFeature::TscRateMsr, "tsc-rate-msr"},
    {CpuFeature::AVIC, "avic"},
    {CpuFeature::VGIF, "vgif"},
    {CpuFeature::VNMI, "vnmi"},
    {CpuFeature::X2APIC, "x2apic"},
    {CpuFeature::TSC_DEADLINE, "tsc-deadline"},
    {CpuFeature::TscInvariant, "tsc-invariant"},
    {CpuFeature::RDTSCP, "rdtscp"},
    {CpuFeature::NX, "nx"},
    {CpuFeature::Page1GB, "1gib-pages"},
    {CpuFeature::LM, "long-mode"},
    {CpuFeature::LA57, "la57"},
    {CpuFeature::XSAVE, "xsave"},
    {CpuFeature::XSAVES, "xsaves"},
    {CpuFeature::AVX, "avx"},
    {CpuFeature::AVX2, "avx2"},
    {CpuFeature::AVX512F, "avx512f"},
    {CpuFeature::AES, "aes"},
    {CpuFeature::PCID, "pcid"},
    {CpuFeature::INVPCID, "invpcid"},
    {CpuFeature::SMEP, "smep"},
    {CpuFeature::SMAP, "smap"},
    {CpuFeature::MONITOR, "monitor"},
    {CpuFeature::ARAT, "arat"},
    {CpuFeature::RDRAND, "rdrand"},
    {CpuFeature::ARCH_CAPABILITIES, "arch-capabilities"},
    {CpuFeature::HYPERVISOR, "hypervisor"},
});
static_assert(listed_features.size() <= 64);

/// Whether the processor has a feature of listed_features.
[[nodiscard]] bool has(const Processor& processor, CpuFeature feature);

/// Processor, caches, and what CPUID says of virtualization.
void survey_processor(Inventory& inventory, CpuidSource cpuid);

/// Fills in core, package and cache of inventory.cpus by the layout of the APIC ID that `cpuid` describes.
void apply_topology(Inventory& inventory, CpuidSource cpuid);

/// The MSRs of virtualization, where the CPU has them; `read_msr(u32) -> u64` is called for no others.
template <class ReadMsr> void survey_msrs(Inventory& inventory, CpuidSource cpuid, ReadMsr&& read_msr) {
    constexpr u32 vm_cr = 0xc001'0114;
    Virtualization& words = inventory.virtualization;
    words.msrs_known = true;
    if (words.has_svm)
        words.vm_cr = read_msr(vm_cr);
    if (!words.has_vmx)
        return;
    const vmx::CapabilityWords read = vmx::read_capability_words(cpuid, read_msr);
    words.feature_control = read.feature_control;
    static_assert(sizeof words.vmx == sizeof read.vmx);
    words.vmx = read.vmx;
}

/// Decides whether Bulkhead can run, and why not, by all that is known. The last step of a survey.
void judge(Inventory& inventory, CpuidSource cpuid);

} // namespace bulkhead::survey
