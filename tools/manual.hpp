// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// Manual pages and shell completion out of the definitions that parse the command line: nothing is said twice.
#pragma once

#include <string>
#include <vector>

#include <CLI/CLI.hpp>

namespace bulkhead::tools {

/// The sub-command with these names, one below the other; `app` for none. Throws Failure if there is none.
[[nodiscard]] const CLI::App& find_command(const CLI::App& app, const std::vector<std::string>& names);

/// "bulkhead guest linux"
[[nodiscard]] std::string full_name(const CLI::App& command);

/// A page in the macros of man(7).
[[nodiscard]] std::string manual_page(const CLI::App& command);

/// For "bash", "zsh" or "fish". Throws Failure for any other shell.
[[nodiscard]] std::string completion_script(const CLI::App& app, const std::string& shell);

/// All sub-commands of `app`, in the order in which they were added.
[[nodiscard]] std::vector<const CLI::App*> commands_of(const CLI::App& app);

} // namespace bulkhead::tools
