// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#pragma once

#include <string>

#include "tools/machine.hpp"

namespace bulkhead::tools {

struct BenchPlan {
    bool linux_guest = false;  ///< a Linux bare and as a guest, too
    bool growth = false;       ///< boots of growing size, too
    std::string json{}, svg{}; ///< files to write, unless ""; "-": the standard output
};

/// Measures on `machine` and prints the table, beside that of the latest release (bench/). The exit status: 0 when all
/// was measured, nothing is over its budget, and nothing grows faster than linearly. Throws Failure.
[[nodiscard]] int run_benchmark(MachineKind machine, const BenchPlan& plan);

} // namespace bulkhead::tools
