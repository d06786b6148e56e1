// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#pragma once

#include <filesystem>
#include <string_view>

#include "tools/machine.hpp"

namespace bulkhead::tools {

inline constexpr std::string_view keys_help =
    "Ctrl-] and 1 to 9, n or p: type into that, the next or the previous guest; Ctrl-] and h: the hypervisor's other "
    "keys; Ctrl-\\: end the machine.";

/// Boots a configuration with the terminal as the machine's serial console, until the machine is off or the quit key is
/// pressed. `options` with 0 CPUs or 0 memory: as much as the configuration needs. `statistics`, unless it is empty: a
/// file for statistics.hpp. Returns the exit status.
[[nodiscard]] int run_configuration(const std::filesystem::path& configuration, MachineKind machine,
                                    MachineOptions options, const std::filesystem::path& statistics);

} // namespace bulkhead::tools
