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
    unsigned long long budget = 0; ///< of this machine; 0: none was set
};

/// The table's lines out of what `machine` said: the boot's parts, then the operations in the order of the table.
/// What was not said is left out.
[[nodiscard]] std::vector<Measurement> read_measurements(MachineKind machine, const std::vector<std::string>& lines);

/// What is wrong with them, a sentence each: lines of the table that are missing, and those over their budget.
[[nodiscard]] std::vector<std::string> failures_of(const std::vector<Measurement>& measurements);

/// Boots the guest exit-cost on a machine whose TSC counts instructions, and prints the table (docs/performance.md).
/// Every number is exact, and the same in each run. The exit status: 0 when all was measured and nothing is
/// over its budget.
[[nodiscard]] int run_benchmark(MachineKind machine);

} // namespace bulkhead::tools
