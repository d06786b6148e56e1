// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "tools/machine.hpp"

#include <fcntl.h>
#include <linux/kvm.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "tools/emulators.hpp"
#include "tools/failure.hpp"
#include "tools/folders.hpp"

namespace bulkhead::tools {
namespace {

/// What virtualization the host's KVM offers to a guest of its own.
struct NestedVirtualization {
    bool vmx = false;
    bool svm = false;
};

/// KVM_GET_SUPPORTED_CPUID: /dev/kvm alone says nothing about nesting.
NestedVirtualization ask_kvm() {
    constexpr unsigned capacity = 256;
    constexpr unsigned cpuid_1_ecx_vmx = 1u << 5;        // SDM 2A CPUID.01H:ECX.VMX
    constexpr unsigned cpuid_80000001_ecx_svm = 1u << 2; // APM 3 E.4.2, Fn8000_0001_ECX[SVM]

    NestedVirtualization result;
    const Descriptor kvm(open("/dev/kvm", O_RDWR | O_CLOEXEC));
    std::vector<unsigned char> storage(sizeof(kvm_cpuid2) + capacity * sizeof(kvm_cpuid_entry2));
    auto* list = reinterpret_cast<kvm_cpuid2*>(storage.data());
    list->nent = capacity;
    if (kvm.get() < 0 || ioctl(kvm.get(), KVM_GET_SUPPORTED_CPUID, list) != 0)
        return result;
    for (unsigned i = 0; i < list->nent; ++i) {
        const kvm_cpuid_entry2& entry = list->entries[i];
        if (entry.function == 1)
            result.vmx = (entry.ecx & cpuid_1_ecx_vmx) != 0;
        if (entry.function == 0x8000'0001)
            result.svm = (entry.ecx & cpuid_80000001_ecx_svm) != 0;
    }
    return result;
}

std::optional<std::string> why_not_kvm() {
    if (access("/dev/kvm", R_OK | W_OK) != 0)
        return "kvm cannot be used: /dev/kvm is not there, or not for this user";
    const NestedVirtualization nested = ask_kvm();
    if (nested.svm || nested.vmx)
        return std::nullopt;
    return "kvm cannot be used: this host's KVM offers its guests neither VMX nor SVM (nested virtualization)";
}

bool is_bochs(MachineKind machine) {
    switch (machine) {
    case MachineKind::BochsIntel:
    case MachineKind::BochsAmd:
        return true;
    case MachineKind::QemuAmd:
    case MachineKind::Kvm:
        return false;
    }
    return false;
}

} // namespace

std::string_view name_of(MachineKind machine) {
    switch (machine) {
    case MachineKind::QemuAmd:
        return "qemu-amd";
    case MachineKind::BochsIntel:
        return "bochs-intel";
    case MachineKind::BochsAmd:
        return "bochs-amd";
    case MachineKind::Kvm:
        return "kvm";
    }
    return "";
}

std::optional<std::string> why_not(MachineKind machine) {
    switch (machine) {
    case MachineKind::QemuAmd:
        return std::nullopt;
    case MachineKind::BochsIntel:
    case MachineKind::BochsAmd:
        return bochs::why_not();
    case MachineKind::Kvm:
        return why_not_kvm();
    }
    return std::nullopt;
}

MachineKind choose_machine(std::string_view name) {
    if (name.empty())
        return why_not(MachineKind::Kvm) ? MachineKind::QemuAmd : MachineKind::Kvm;
    for (const MachineKind machine : all_machines) {
        if (name != name_of(machine))
            continue;
        if (const std::optional<std::string> reason = why_not(machine))
            throw Failure(*reason, 2);
        return machine;
    }
    throw Failure("there is no machine '" + std::string(name) + "'", 2);
}

unsigned slowness(MachineKind machine) { return is_bochs(machine) ? 4 : 1; }

std::optional<std::filesystem::path> firmware_addition(MachineKind machine) {
    return is_bochs(machine) ? std::optional(build_folder() / "acpi_tables.efi") : std::nullopt;
}

EmulatorCommand emulator_command(MachineKind machine, const MachineOptions& options, const std::filesystem::path& image,
                                 const std::filesystem::path& folder) {
    return is_bochs(machine) ? bochs::command(machine, options, image, folder)
                             : qemu::command(machine, options, image, folder);
}

bool has_reset(MachineKind machine, const std::filesystem::path& folder) {
    return is_bochs(machine) && bochs::has_reset(folder);
}

MachineEnd machine_end(MachineKind machine, int status, const std::filesystem::path& folder) {
    return is_bochs(machine) ? bochs::machine_end(folder) : qemu::machine_end(status, folder);
}

std::string complaints(MachineKind machine, const std::filesystem::path& folder) {
    return is_bochs(machine) ? bochs::complaints(folder) : qemu::complaints(folder);
}

} // namespace bulkhead::tools
