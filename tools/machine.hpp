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

struct MachineOptions {
    unsigned cpus = 2;
    unsigned memory_mib = 2048;
    bool count_instructions = false;          ///< the TSC advances by one for each instruction: deterministic, slow
    std::vector<std::string> extra_arguments; ///< added to the emulator's command line
};

/// The command that boots the disk `image`, whose COM1 is the command's standard input and output. `folder` takes the
/// machine's files, for one run: firmware variables, and `emulator.log`, which machine_end() reads.
[[nodiscard]] Command emulator_command(MachineKind machine, const MachineOptions& options,
                                       const std::filesystem::path& image, const std::filesystem::path& folder);

enum class MachineEnd { PoweredOff, Reset, Other };

/// How a run of emulator_command() in `folder`, which has ended by itself, came to its end.
[[nodiscard]] MachineEnd machine_end(const std::filesystem::path& folder);

} // namespace bulkhead::tools
