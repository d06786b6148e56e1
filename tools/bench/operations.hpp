// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#pragma once

#include <string>
#include <vector>

#include "tools/bench/figure.hpp"
#include "tools/machine.hpp"

namespace bulkhead::tools {

/// The figures out of what `machine` said: the boot's parts, the operations, the hypervisor's size, in the order of the
/// table. What was not said is left out.
[[nodiscard]] std::vector<Figure> operations_in(MachineKind machine, const std::vector<std::string>& lines);

/// A sentence for each that is missing of what operations_in() can find.
[[nodiscard]] std::vector<std::string> missing_operations(const std::vector<Figure>& figures);

/// Boots the guest exit-cost in `folder`, on a machine whose TSC counts instructions (docs/performance.md). Every
/// number is exact, and the same in each run. Throws Failure where the machine does not come to its end.
[[nodiscard]] std::vector<Figure> measure_operations(MachineKind machine, const std::filesystem::path& folder);

} // namespace bulkhead::tools
