// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// The machines that the host command can boot.
#pragma once

#include <array>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tools/process.hpp"

namespace bulkhead::tools {

enum class MachineKind {
    QemuAmd,    ///< QEMU's emulation of an AMD CPU
    BochsIntel, ///< Bochs' emulation of an Intel CPU
    BochsAmd,   ///< Bochs' emulation of an AMD CPU
    Kvm,        ///< the host's own CPU, where its KVM lets a guest use VMX or SVM
};

inline constexpr std::array all_machines{MachineKind::QemuAmd, MachineKind::BochsIntel, MachineKind::BochsAmd,
                                         MachineKind::Kvm};

[[nodiscard]] std::string_view name_of(MachineKind machine);

/// Why `machine` cannot be used here: a sentence. Nothing if it can.
[[nodiscard]] std::optional<std::string> why_not(MachineKind machine);

/// The machine of that name, or for "" the best that can be used here. Throws Failure where there is none.
[[nodiscard]] MachineKind choose_machine(std::string_view name);

/// A 16550 of the machine besides COM1, for a guest's console alone.
struct GuestPort {
    std::string guest; ///< its name
    unsigned port = 0; ///< I/O base
    unsigned irq = 0;  ///< ISA
};

struct MachineOptions {
    unsigned cpus = 2;
    unsigned threads_per_core = 1; ///< divides `cpus`
    unsigned far_cpus = 0;         ///< so many of `cpus`, the last ones, have APIC IDs of 256 and more; QEMU, emulated
    unsigned absent_cpus = 0;      ///< that could be plugged in, for all that the tables tell; QEMU
    unsigned unfit_cpus = 0;       ///< so many of `cpus`, the last ones, have no virtualization; QEMU, Bochs on Intel
    unsigned memory_mib = 2048;
    bool screen = false;        ///< on Bochs, where it takes time; others have one
    bool acpi = true;           ///< false, on QEMU: the firmware has no ACPI tables
    bool virtualization = true; ///< false, on an emulated machine: the CPU has none
    /// "": it boots the image. Else a folder in that of its run, the root of a TFTP server: it boots by PXE. QEMU.
    std::string network_root{};
    /// "": there is no web server. Else a command in the folder of its run that answers one request to
    /// http://10.0.2.100/ (and no image: it boots by HTTP if its firmware has such a boot option). QEMU.
    std::string http_server{};
    /// "": it boots the image. Else a Linux in the folder of its run, without the hypervisor: kernel, initrd. On QEMU.
    std::string bare_kernel{}, bare_initrd{}, bare_cmdline{};
    std::string uuid{};               ///< its SMBIOS', unless ""; QEMU
    std::string serial_number{};      ///< likewise
    bool keeps_variables = false;     ///< of its firmware, from the run before in the same folder; QEMU
    bool goes_on_after_reset = false; ///< else a reset is the end of the run
    bool count_instructions = false; ///< the TSC advances by one for each instruction: deterministic, slow; for one CPU
    std::string iommu{};             ///< on QEMU: its device of one, "intel-iommu" or "amd-iommu"
    bool write_protected = false;    ///< on QEMU: the disk
    /// On Bochs, unless "": its debugger, which begins with these commands, and then reads and writes debugger_pipes. A
    /// line in debugger_stop stops the machine, wherever it is.
    std::string debugger{};
    std::string without{};                ///< on emulated machines: this feature of the CPU's, as the emulator names it
    std::vector<GuestPort> guest_ports{}; ///< on Bochs: those that a PC has as COM2 to COM4
};

/// How many times as long as on QEMU a run may take, or be silent, before something must be wrong.
[[nodiscard]] unsigned slowness(MachineKind machine);

/// What the firmware of `machine` must start in the product's place, for it to start the product: a program that makes
/// up for what this firmware lacks. Nothing for most machines, real ones among them.
[[nodiscard]] std::optional<std::filesystem::path> firmware_addition(MachineKind machine);

struct EmulatorCommand {
    Command command;
    Child::Streams com1; ///< how COM1 is connected to it
};

/// The command that boots the disk `image`, which has firmware_addition(); its streams are COM1, and Child's ports
/// those of the guests. `folder` takes the machine's files, for one run: firmware variables, and `emulator.log`, which
/// machine_end() reads. Throws Failure.
[[nodiscard]] EmulatorCommand emulator_command(MachineKind machine, const MachineOptions& options,
                                               const std::filesystem::path& image, const std::filesystem::path& folder);

/// In `folder` of emulator_command(): where QEMU's monitor listens (docs/debugging.md). Bochs has none.
inline constexpr std::string_view monitor_socket = "monitor.sock";
/// Likewise, for MachineOptions::debugger: its input and its output.
inline constexpr std::array<std::string_view, 2> debugger_pipes{"debugger.in", "debugger.out"};
inline constexpr std::string_view debugger_stop = "debugger.stop";

/// Whether a machine that still runs has reset itself: one whose emulator goes on then, and has to be ended.
[[nodiscard]] bool has_reset(MachineKind machine, const std::filesystem::path& folder);

enum class MachineEnd { PoweredOff, Reset, Other };

/// How a run of emulator_command() in `folder`, which has ended by itself with this status, came to its end.
[[nodiscard]] MachineEnd machine_end(MachineKind machine, int status, const std::filesystem::path& folder);

/// What the emulator itself complained of: lines, or "".
[[nodiscard]] std::string complaints(MachineKind machine, const std::filesystem::path& folder);

} // namespace bulkhead::tools
