// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// Whether this machine can run Bulkhead: by the same functions that decide it when the hypervisor starts.
#include <algorithm>

#include "survey/processor.hpp"
#include "svm/capabilities.hpp"

namespace bulkhead::survey {

namespace {

/// The guests of the smallest configuration, the hypervisor, and what the firmware keeps.
constexpr u64 least_memory = 128 * MiB;

void give_reason(Inventory& inventory, Verdict verdict, std::string_view reason) {
    if (verdict == Verdict::No || inventory.verdict == Verdict::Yes)
        inventory.verdict = verdict;
    (void)inventory.reasons.push_back(reason); // so many there cannot be
}

void warn(Inventory& inventory, std::string_view warning) { (void)inventory.warnings.push_back(warning); }

void judge_vmx(Inventory& inventory, CpuidSource cpuid) {
    const Virtualization& known = inventory.virtualization;
    if (known.has_vmx && !known.msrs_known)
        return give_reason(inventory, Verdict::Unknown,
                           "the VMX capability MSRs could not be read, so whether the firmware enabled VT-x and what "
                           "it can do is not known");
    vmx::CapabilityWords words{.signature = cpuid(1).eax,
                               .basic_ecx = cpuid(1).ecx,
                               .address_sizes = read_valid_leaf(cpuid, 0x8000'0008).eax,
                               .feature_control = known.feature_control};
    words.vmx = known.vmx;
    if (const auto decided = vmx::decide_capabilities(words); !decided)
        give_reason(inventory, Verdict::No, decided.error().what);
}

void judge_svm(Inventory& inventory, CpuidSource cpuid) {
    const Virtualization& known = inventory.virtualization;
    const svm::CapabilityWords words{.max_extended_leaf = cpuid(0x8000'0000).eax,
                                     .extended_ecx = read_word(cpuid, CpuidWord::Extended1Ecx),
                                     .svm_ebx = known.asids,
                                     .svm_edx = known.svm_edx,
                                     .vm_cr = known.vm_cr};
    if (const auto decided = svm::decide_capabilities(words); !decided)
        return give_reason(inventory, Verdict::No, decided.error().what);
    if (!known.msrs_known)
        give_reason(inventory, Verdict::Unknown,
                    "the MSR VM_CR could not be read, so whether the firmware disabled AMD-V is not known");
}

void judge_processor(Inventory& inventory, CpuidSource cpuid) {
    switch (vendor_of(cpuid(0))) {
    case CpuVendor::Intel:
        judge_vmx(inventory, cpuid);
        break;
    case CpuVendor::Amd:
        judge_svm(inventory, cpuid);
        break;
    case CpuVendor::Unknown:
        give_reason(inventory, Verdict::No, "this CPU is of a vendor that Bulkhead does not know");
        break;
    }
    if (!has(inventory.processor, CpuFeature::LM))
        give_reason(inventory, Verdict::No, "this CPU has no 64-bit mode");
    if (inventory.processor.hypervisor)
        warn(inventory, "this is a virtual machine: what is said here is its hypervisor's word");
    if (!has(inventory.processor, CpuFeature::X2APIC))
        warn(inventory, "this CPU has no x2APIC, or the firmware hides it: a guest's timer tick costs exits");
    if (!has(inventory.processor, CpuFeature::TscInvariant))
        warn(inventory, "this CPU's TSC is not said to run at one speed always: guests' clocks may drift");
}

void judge_platform(Inventory& inventory) {
    if (inventory.source == Source::Recording)
        return;
    const bool has_madt = std::ranges::any_of(
        inventory.tables, [](const AcpiTable& t) { return t.signature.view() == "APIC" && t.right; });
    if (!has_madt && inventory.source == Source::Loader)
        give_reason(inventory, Verdict::No, "the firmware has no MADT, the ACPI table that lists the processors");
    u64 free = 0;
    for (const MemoryPiece& piece : inventory.memory)
        free += piece.kind == MemoryKind::Free ? piece.range.size : 0;
    if (free < least_memory)
        give_reason(inventory, inventory.memory.empty() ? Verdict::Unknown : Verdict::No,
                    inventory.memory.empty() ? "the memory map could not be read" : "there is too little free memory");
    if (inventory.firmware.is_uefi == Known::No)
        give_reason(inventory, Verdict::No, "the system was not started by UEFI: choose UEFI in the firmware's setup");
    if (inventory.firmware.five_level_paging)
        give_reason(inventory, Verdict::No,
                    "the firmware left 5-level paging (LA57) on, which is not supported: switch it off in its setup");
    if (inventory.firmware.secure_boot == Known::Yes)
        warn(inventory, "Secure Boot is on: the firmware starts bulkhead.efi only if it trusts its signature");
    if (inventory.iommus.empty())
        warn(inventory, "no IOMMU was found, or it is off in the firmware's setup: no guest can get a PCI device");
    if (inventory.serial.empty() && inventory.source == Source::Loader && !inventory.firmware.can_show_text)
        warn(inventory, "no serial port was found, and no screen that can be drawn on: nothing will be seen of guests");
    else if (inventory.serial.empty())
        warn(inventory, "no serial port was found: the console is on the screen alone");
}

} // namespace

void judge(Inventory& inventory, CpuidSource cpuid) {
    inventory.verdict = Verdict::Yes;
    judge_processor(inventory, cpuid);
    judge_platform(inventory);
}

} // namespace bulkhead::survey
