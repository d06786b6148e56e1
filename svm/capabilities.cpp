// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "svm/capabilities.hpp"

namespace bulkhead::svm {

namespace {
constexpr u32 svm_leaf = 0x8000000a;
constexpr u32 ecx_svm = 1u << 2;           // CPUID 8000_0001h ECX
constexpr u32 edx_nested_paging = 1u << 0; // CPUID 8000_000Ah EDX
constexpr u32 edx_svm_lock = 1u << 2;
constexpr u32 edx_nrip_save = 1u << 3;
constexpr u32 edx_vmcb_clean = 1u << 5;
constexpr u32 edx_flush_by_asid = 1u << 6;
constexpr u32 edx_decode_assists = 1u << 7;
constexpr u64 vm_cr_svmdis = 1u << 4;
} // namespace

// APM 2 15.4.
Result<Capabilities> decide_capabilities(const CapabilityWords& words) {
    if (words.max_extended_leaf < svm_leaf || (words.extended_ecx & ecx_svm) == 0)
        return fail("this CPU has no AMD-V (CPUID 8000_0001h ECX.SVM is 0)", words.extended_ecx);
    if ((words.vm_cr & vm_cr_svmdis) != 0)
        return fail(
            (words.svm_edx & edx_svm_lock) != 0
                ? Literal("AMD-V is disabled and locked by the firmware (VM_CR.SVMDIS): enable \"SVM Mode\" in its setup")
                : Literal("AMD-V is disabled by the firmware (VM_CR.SVMDIS): enable \"SVM Mode\" in its setup"),
            words.vm_cr);
    if ((words.svm_edx & edx_nested_paging) == 0)
        return fail("this CPU's AMD-V has no nested paging (CPUID 8000_000Ah EDX.NP is 0)", words.svm_edx);
    if (words.svm_ebx < 3)
        return fail("this CPU's AMD-V has fewer than 3 address-space identifiers", words.svm_ebx);
    return Capabilities{
        .nrip_save = (words.svm_edx & edx_nrip_save) != 0,
        .decode_assists = (words.svm_edx & edx_decode_assists) != 0,
        .flush_by_asid = (words.svm_edx & edx_flush_by_asid) != 0,
        .vmcb_clean = (words.svm_edx & edx_vmcb_clean) != 0,
        .asids = words.svm_ebx,
    };
}

} // namespace bulkhead::svm
