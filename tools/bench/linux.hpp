// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "tools/bench/figure.hpp"

namespace bulkhead::tools {

/// Boots the same Linux with the same program three times in `folder`: bare and as a guest, where the TSC counts
/// instructions, and as a guest whose exits are counted. On qemu-amd. Throws Failure where one does not come to its
/// end.
[[nodiscard]] std::vector<Figure> measure_linux(const std::filesystem::path& folder);

} // namespace bulkhead::tools
