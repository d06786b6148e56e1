// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// The emulators behind machine.hpp, each in a file of its own; both run in the toolbox. The functions are those of
// machine.hpp, for the machines of one emulator.
#pragma once

#include <initializer_list>

#include "tools/machine.hpp"

namespace bulkhead::tools {

/// The beginning of a command that sees the toolbox as its root, `folder` as /tmp/work, where it starts, and `image` as
/// /tmp/disk.img. It ends when we do.
[[nodiscard]] Command in_toolbox(const std::filesystem::path& folder, const std::filesystem::path& image);

void append(Command& command, std::initializer_list<std::string> arguments);

namespace qemu {
[[nodiscard]] EmulatorCommand command(MachineKind machine, const MachineOptions& options,
                                      const std::filesystem::path& image, const std::filesystem::path& folder);
[[nodiscard]] MachineEnd machine_end(int status, const std::filesystem::path& folder);
[[nodiscard]] std::string complaints(const std::filesystem::path& folder);
} // namespace qemu

namespace bochs {
[[nodiscard]] std::optional<std::string> why_not();
[[nodiscard]] EmulatorCommand command(MachineKind machine, const MachineOptions& options,
                                      const std::filesystem::path& image, const std::filesystem::path& folder);
[[nodiscard]] bool has_reset(const std::filesystem::path& folder);
[[nodiscard]] MachineEnd machine_end(const std::filesystem::path& folder);
[[nodiscard]] std::string complaints(const std::filesystem::path& folder);
} // namespace bochs

} // namespace bulkhead::tools
