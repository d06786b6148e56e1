// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// What a machine that took inventory left: what it said, and what it wrote to its disk.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "integration/boot.hpp"

namespace bulkhead::integration {

/// Keeps what the run in `folder`, whose disk is disk.img there, said and wrote. Throws tools::Failure where it wrote
/// nothing.
void keep_survey(const Boot& boot, const std::filesystem::path& folder);

/// The consoles "survey", "inventory.toml", "bulkhead.toml" and "check" of Boot::takes_inventory, as kept in `folder`.
[[nodiscard]] std::map<std::string, std::vector<std::string>> read_survey(const std::filesystem::path& folder);

} // namespace bulkhead::integration
