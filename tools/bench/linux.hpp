// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "tools/bench/figure.hpp"

namespace bulkhead::tools {

/// The figures out of what guests/linux-bench said, bare and as a guest: for each what it took bare, "bare-NAME", and
/// what it took in the guest, whose budget is that of bare and what docs/performance.md allows besides.
[[nodiscard]] std::vector<Figure> linux_figures(const std::vector<std::string>& bare,
                                                const std::vector<std::string>& guest);

/// Exits of the two windows in which guests/linux-bench idles and computes, out of what the hypervisor said:
/// its counters at the beginning and at the end of each, `seconds` apart.
[[nodiscard]] std::vector<Figure> window_figures(const std::vector<std::string>& lines, unsigned seconds);

/// Boots the same Linux with the same program three times in `folder`: bare and as a guest, where the TSC counts
/// instructions, and as a guest whose exits are counted. On qemu-amd. Throws Failure where one does not come to its
/// end.
[[nodiscard]] std::vector<Figure> measure_linux(const std::filesystem::path& folder);

} // namespace bulkhead::tools
