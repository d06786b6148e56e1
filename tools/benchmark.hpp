// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "tools/machine.hpp"

namespace bulkhead::tools {

/// One line of the benchmark's table.
struct Measurement {
    std::string what;
    unsigned long long instructions = 0;
    unsigned long long budget = 0; ///< 0: none was set
};

/// The table's lines out of what the machine said: the boot's parts, then the operations in the order of the table.
/// What was not said is left out.
[[nodiscard]] std::vector<Measurement> read_measurements(const std::vector<std::string>& lines);

/// The names of operations that the table has and `lines` do not.
[[nodiscard]] std::vector<std::string> missing_measurements(const std::vector<std::string>& lines);

/// Boots the guest exit-cost on a machine whose TSC counts instructions, and prints the table (docs/performance.md).
/// Every number is exact, and the same in each run. The exit status: 0 when all was measured, within its budget or not.
[[nodiscard]] int run_benchmark(MachineKind machine);

} // namespace bulkhead::tools
