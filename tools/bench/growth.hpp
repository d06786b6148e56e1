// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "tools/bench/figure.hpp"

namespace bulkhead::tools {

struct Growth {
    std::vector<Figure> figures;
    std::vector<std::string> wrong; ///< a sentence for each that grows faster than linearly
};

/// Boots the guest hello in `folder` on qemu-amd, counting instructions: with 1 to 32 vCPUs, 1 to 32 of it, and with
/// 0.5 to 16 GiB, for which this machine needs as much. Takes an hour. Throws Failure where one does not come to its
/// end.
[[nodiscard]] Growth measure_growth(const std::filesystem::path& folder);

} // namespace bulkhead::tools
