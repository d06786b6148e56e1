// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// QEMU: qemu-amd, and kvm.
#include <fstream>
#include <iterator>

#include "tools/emulators.hpp"
#include "tools/folders.hpp"

namespace bulkhead::tools::qemu {
namespace {

/// The firmware's variables: it writes to them.
void copy_variables(const std::filesystem::path& folder, bool keeps) {
    const std::filesystem::path variables = folder / "variables.fd";
    if (keeps && std::filesystem::exists(variables))
        return;
    std::filesystem::copy_file(toolbox_folder() / "usr/share/OVMF/OVMF_VARS_4M.fd", variables,
                               std::filesystem::copy_options::overwrite_existing);
    std::filesystem::permissions(variables, std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
}

void append_cpus(Command& command, MachineKind machine, const MachineOptions& options) {
    if (machine == MachineKind::Kvm)
        append(command, {"-accel", "kvm", "-cpu", "host"});
    else if (options.count_instructions)
        append(command,
               {"-accel", "tcg,thread=single,one-insn-per-tb=on", "-cpu", "max", "-icount", "shift=0,sleep=off",
                // The same random numbers and the same date at each run.
                "-seed", "1", "-rtc", "base=2026-01-01"});
    else
        append(command, {"-accel", "tcg,thread=multi", "-cpu",
                         std::string("max") + (options.virtualization ? "" : ",-svm") +
                             (options.without.empty() ? "" : ",-" + options.without)});
    if (options.far_cpus != 0) {
        // Three cores to a socket take up four IDs: the last sockets' IDs begin at 256.
        constexpr unsigned near_sockets = 64;
        const unsigned sockets = near_sockets + options.far_cpus;
        append(command, {"-smp", "cpus=" + std::to_string(options.cpus - options.far_cpus) + ",sockets=" +
                                     std::to_string(sockets) + ",cores=3,maxcpus=" + std::to_string(3 * sockets)});
        for (unsigned socket = near_sockets; socket < sockets; ++socket)
            append(command, {"-device", "max-x86_64-cpu,core-id=0,thread-id=0,socket-id=" + std::to_string(socket)});
        return;
    }
    const unsigned fit = options.cpus - options.unfit_cpus;
    const unsigned most = options.cpus + options.absent_cpus;
    append(command, {"-smp", "cpus=" + std::to_string(fit) + ",maxcpus=" + std::to_string(most) +
                                 ",cores=" + std::to_string(most / options.threads_per_core) +
                                 ",threads=" + std::to_string(options.threads_per_core)});
    for (unsigned core = fit; core < options.cpus; ++core)
        append(command, {"-device", "max-x86_64-cpu,svm=off,socket-id=0,thread-id=0,core-id=" + std::to_string(core)});
}

void append_medium(Command& command, const MachineOptions& options) {
    if (!options.uuid.empty())
        append(command, {"-uuid", options.uuid});
    if (!options.serial_number.empty())
        append(command, {"-smbios", "type=1,serial=" + options.serial_number});
    if (!options.network_root.empty() || !options.http_server.empty()) {
        const std::string server = !options.http_server.empty()
                                       ? "guestfwd=tcp:10.0.2.100:80-cmd:" + options.http_server
                                       : "bootfile=EFI/BOOT/BOOTX64.EFI,tftp=" + options.network_root;
        append(command, {"-netdev", "user,id=net,restrict=on," + server});
        append(command, {"-device", "virtio-net-pci,netdev=net,addr=2,romfile=", "-device", "virtio-rng-pci"});
        return;
    }
    if (!options.bare_kernel.empty()) {
        append(command, {"-kernel", options.bare_kernel, "-initrd", options.bare_initrd});
        append(command, {"-append", options.bare_cmdline});
        return;
    }
    append(command, {"-drive", std::string("if=none,id=stick,format=raw,file=/tmp/disk.img,readonly=") +
                                   (options.write_protected ? "on" : "off")});
    append(command, {"-device", "qemu-xhci", "-device", "usb-storage,drive=stick,bootindex=0"});
}

void append_guest_ports(Command& command, const MachineOptions& options) {
    int descriptor = Child::first_port;
    for (const GuestPort& port : options.guest_ports) {
        append(command,
               {"-chardev", "serial,id=guest-" + port.guest + ",path=/proc/self/fd/" + std::to_string(descriptor++)});
        append(command, {"-device", "isa-serial,iobase=" + std::to_string(port.port) +
                                        ",irq=" + std::to_string(port.irq) + ",chardev=guest-" + port.guest});
    }
}

} // namespace

EmulatorCommand command(MachineKind machine, const MachineOptions& options, const std::filesystem::path& image,
                        const std::filesystem::path& folder) {
    copy_variables(folder, options.keeps_variables);
    Command command = in_toolbox(folder, image);
    if (machine == MachineKind::Kvm)
        append(command, {"--dev-bind", "/dev/kvm", "/dev/kvm"});
    append(command,
           {"qemu-system-x86_64", "-nodefaults", "-no-user-config", "-machine", options.acpi ? "q35" : "q35,acpi=off"});
    append_cpus(command, machine, options);
    append(command, {"-m", std::to_string(options.memory_mib) + "M"});
    append(command, {"-drive", "if=pflash,unit=0,format=raw,readonly=on,file=/usr/share/OVMF/OVMF_CODE_4M.fd"});
    append(command, {"-drive", "if=pflash,unit=1,format=raw,file=variables.fd"});
    if (!options.iommu.empty())
        append(command, {"-device", options.iommu});
    append_medium(command, options);
    append(command, {"-display", "none", "-vga", "std"});
    append(command, {"-monitor", "unix:" + std::string(monitor_socket) + ",server=on,wait=off"});
    if (!options.goes_on_after_reset)
        append(command, {"-no-reboot"});
    append(command, {"-chardev", "stdio,id=com1,signal=off", "-serial", "chardev:com1"});
    append_guest_ports(command, options);
    append(command, {"-D", "emulator.log", "-trace", "qemu_system_shutdown_request"});
    return {.command = command, .com1 = Child::Streams::Pipes};
}

MachineEnd machine_end(int status, const std::filesystem::path& folder) {
    // ShutdownCause in QEMU 10's qapi/run-state.json. A reset, which -no-reboot turns into an end, is not traced.
    constexpr std::string_view guest_shutdown = "qemu_system_shutdown_request reason=6";
    if (status != 0)
        return MachineEnd::Other;
    std::ifstream log(folder / "emulator.log");
    bool traced = false;
    for (std::string line; std::getline(log, line);) {
        if (line.starts_with(guest_shutdown))
            return MachineEnd::PoweredOff;
        traced = traced || line.starts_with("qemu_system_shutdown_request");
    }
    return traced ? MachineEnd::Other : MachineEnd::Reset;
}

std::string complaints(const std::filesystem::path& folder) {
    std::ifstream file(folder / "errors.log");
    return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

} // namespace bulkhead::tools::qemu
