// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "core/cpuid_policy_support.hpp"

#include <array>

#include "arch/x86_64/msr_numbers.hpp"

namespace bulkhead {

namespace {

struct Requirement {
    CpuFeature feature;
    std::string_view refusal;
};

/// What the hypervisor itself and a 64-bit guest cannot do without.
constexpr std::array required_features{
    Requirement{CpuFeature::LM, "the CPU has no 64-bit mode"},
    Requirement{CpuFeature::NX, "the CPU has no no-execute pages (NX): enable execute disable in the firmware setup"},
    Requirement{CpuFeature::TSC, "the CPU has no time-stamp counter"},
    Requirement{CpuFeature::APIC, "the CPU's local APIC is disabled"},
    Requirement{CpuFeature::PAT, "the CPU has no page attribute table"},
};

} // namespace

Result<Virtualization> detect_virtualization(CpuidSource cpuid) {
    switch (vendor_of(cpuid(0))) {
    case CpuVendor::Amd:
        if (has_feature(cpuid, CpuFeature::SVM))
            return Virtualization::Svm;
        return fail("AMD-V: the CPU does not have it (CPUID 0x80000001 ECX.SVM is 0)", cpuid(1).eax);
    case CpuVendor::Intel:
        if (has_feature(cpuid, CpuFeature::VMX))
            return Virtualization::Vmx;
        return fail("VT-x: the CPU does not have it (CPUID 1 ECX.VMX is 0)", cpuid(1).eax);
    case CpuVendor::Unknown:
        break;
    }
    return fail("the CPU is of a vendor that has neither AMD-V nor VT-x", cpuid(1).eax);
}

Result<void> check_virtualization(CpuidSource cpuid, Virtualization kind, const VirtualizationLocks& locks) {
    for (const Requirement& required : required_features) {
        if (!has_feature(cpuid, required.feature))
            return fail(required.refusal);
    }
    if (kind == Virtualization::Vmx) {
        // An unlocked MSR is set and locked by us.
        const u64 wanted = msr::feature_control::lock | msr::feature_control::vmx_outside_smx;
        if ((locks.feature_control & wanted) == msr::feature_control::lock)
            return fail("VT-x is locked off by the firmware (IA32_FEATURE_CONTROL): enable VT-x in its setup",
                        locks.feature_control);
        return {};
    }
    // Also where VM_CR could be written (SVML, not LOCK): who switched it off in the setup has to switch it on there.
    if ((locks.vm_cr & msr::vm_cr::SVMDIS) != 0)
        return fail("AMD-V is locked off by the firmware (VM_CR.SVMDIS): enable SVM in its setup", locks.vm_cr);
    if (!has_feature(cpuid, CpuFeature::NP))
        return fail("AMD-V: the CPU has no nested paging (CPUID 0x8000000a EDX.NP is 0)");
    return {};
}

} // namespace bulkhead
