// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "tools/process.hpp"

namespace bulkhead::integration {

/// A socket of the emulator's in the folder of its run. Throws tools::Failure.
[[nodiscard]] tools::Descriptor connect_to(const std::filesystem::path& folder, std::string_view name);

/// What comes next, at least a byte. `who`: of the emulator, for the Failure where it says nothing for a minute.
[[nodiscard]] std::string read_from_emulator(const tools::Descriptor& from, const std::string& who);

/// QEMU's monitor, of the machine that runs in a folder. Throws tools::Failure where there is none, or it goes away.
class Monitor {
public:
    explicit Monitor(const std::filesystem::path& folder);
    /// What it answers, its echo of the command included.
    std::string ask(const std::string& command);

private:
    std::string read_to_prompt();
    tools::Descriptor connection_;
};

} // namespace bulkhead::integration
