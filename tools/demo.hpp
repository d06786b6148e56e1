// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "tools/machine.hpp"

namespace bulkhead::tools {

inline constexpr std::string_view demo_guests[] = {"alpha", "beta"};

/// Writes the demo's configuration (demo.toml), one whose guests end in a shell (shell.toml), and their files.
void write_demo(const std::filesystem::path& folder);

/// What a run of the demo must have said and has not: a sentence each. `lines` are the console's.
[[nodiscard]] std::vector<std::string> missing_in_demo(const std::vector<std::string>& lines);

/// Boots the demo, and says what happens. The exit status: 0 when every guest has come up, shown that it works, and
/// powered off.
[[nodiscard]] int run_demo(MachineKind machine);

} // namespace bulkhead::tools
