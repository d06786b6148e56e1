// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "tools/machine.hpp"

#include <fcntl.h>
#include <fstream>
#include <linux/kvm.h>
#include <sys/ioctl.h>
#include <unistd.h>

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
    if (nested.svm)
        return std::nullopt;
    if (nested.vmx)
        return "kvm cannot be used yet: this host's KVM offers VMX, and Bulkhead has no VT-x backend so far";
    return "kvm cannot be used: this host's KVM offers its guests neither VMX nor SVM (nested virtualization)";
}

void append(Command& command, std::initializer_list<std::string> arguments) {
    command.insert(command.end(), arguments);
}

/// `command` sees the toolbox as its root, and `folder` as /tmp/work. It ends when we do.
Command in_toolbox(const std::filesystem::path& folder, MachineKind machine) {
    Command command{
        "bwrap",   "--die-with-parent", "--ro-bind", toolbox_folder(), "/",        "--dev",  "/dev", "--proc",
        "/proc",   "--tmpfs",           "/tmp",      "--tmpfs",        "/var/tmp", "--bind", folder, "/tmp/work",
        "--chdir", "/tmp/work"};
    if (machine == MachineKind::Kvm)
        append(command, {"--dev-bind", "/dev/kvm", "/dev/kvm"});
    return command;
}

Command qemu_command(MachineKind machine, const MachineOptions& options, const std::filesystem::path& image,
                     const std::filesystem::path& folder) {
    const std::filesystem::path variables = folder / "variables.fd";
    std::filesystem::copy_file(toolbox_folder() / "usr/share/OVMF/OVMF_VARS_4M.fd", variables,
                               std::filesystem::copy_options::overwrite_existing);
    std::filesystem::permissions(variables, std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);

    Command command = in_toolbox(folder, machine);
    append(command, {"--bind", std::filesystem::canonical(image), "/tmp/disk.img"});
    append(command, {"qemu-system-x86_64", "-nodefaults", "-no-user-config", "-machine", "q35"});
    if (machine == MachineKind::Kvm)
        append(command, {"-accel", "kvm", "-cpu", "host"});
    else if (options.count_instructions)
        append(command,
               {"-accel", "tcg,thread=single,one-insn-per-tb=on", "-cpu", "max", "-icount", "shift=0,sleep=off"});
    else
        append(command, {"-accel", "tcg,thread=multi", "-cpu", "max"});
    append(command, {"-smp", std::to_string(options.cpus), "-m", std::to_string(options.memory_mib) + "M"});
    append(command, {"-drive", "if=pflash,unit=0,format=raw,readonly=on,file=/usr/share/OVMF/OVMF_CODE_4M.fd"});
    append(command, {"-drive", "if=pflash,unit=1,format=raw,file=variables.fd"});
    append(command, {"-drive", "if=none,id=stick,format=raw,file=/tmp/disk.img"});
    append(command, {"-device", "qemu-xhci", "-device", "usb-storage,drive=stick,bootindex=0"});
    append(command, {"-display", "none", "-vga", "std", "-monitor", "none", "-no-reboot"});
    append(command, {"-chardev", "stdio,id=com1,signal=off", "-serial", "chardev:com1"});
    append(command, {"-D", "emulator.log", "-trace", "qemu_system_shutdown_request"});
    command.insert(command.end(), options.extra_arguments.begin(), options.extra_arguments.end());
    return command;
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
        return "bochs-intel is not there yet: Bulkhead has no VT-x backend so far";
    case MachineKind::BochsAmd:
        return "bochs-amd is not there yet: Bulkhead has not been brought up on Bochs so far";
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

Command emulator_command(MachineKind machine, const MachineOptions& options, const std::filesystem::path& image,
                         const std::filesystem::path& folder) {
    switch (machine) {
    case MachineKind::QemuAmd:
    case MachineKind::Kvm:
        return qemu_command(machine, options, image, folder);
    case MachineKind::BochsIntel:
    case MachineKind::BochsAmd:
        break;
    }
    throw Failure(why_not(machine).value_or("this machine is not there yet"), 2);
}

MachineEnd machine_end(const std::filesystem::path& folder) {
    // ShutdownCause in QEMU 10's qapi/run-state.json. A reset, which -no-reboot turns into an end, is not traced.
    constexpr std::string_view guest_shutdown = "qemu_system_shutdown_request reason=6";
    std::ifstream log(folder / "emulator.log");
    bool traced = false;
    for (std::string line; std::getline(log, line);) {
        if (line.starts_with(guest_shutdown))
            return MachineEnd::PoweredOff;
        traced = traced || line.starts_with("qemu_system_shutdown_request");
    }
    return traced ? MachineEnd::Other : MachineEnd::Reset;
}

} // namespace bulkhead::tools
