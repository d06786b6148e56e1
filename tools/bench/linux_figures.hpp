// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#pragma once

#include <string>
#include <vector>

#include "tools/bench/figure.hpp"

namespace bulkhead::tools {

/// The figures out of what guests/linux-bench said, bare and as a guest. For each quantity: what it took bare,
/// "bare-NAME"; what it took in the guest, "NAME"; and the difference, "more-NAME", which has a budget.
/// Throws Failure where one of them was not said.
[[nodiscard]] std::vector<Figure> linux_figures(const std::vector<std::string>& bare,
                                                const std::vector<std::string>& guest);

/// Exits of the two windows in which guests/linux-bench idles and computes, out of what the hypervisor said:
/// its counters at the beginning and at the end of each, `seconds` apart; all of each, and those of each reason. Those of
/// each reason until the first window, too. Throws Failure where a window is missing.
[[nodiscard]] std::vector<Figure> window_figures(const std::vector<std::string>& lines, unsigned seconds);

} // namespace bulkhead::tools
