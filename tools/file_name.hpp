// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#pragma once

#include <string>
#include <string_view>

namespace bulkhead::tools {

/// The configuration's own name on the boot volume.
inline constexpr std::string_view configuration_name = "bulkhead.toml";

/// Why `name`, a path in a configuration, cannot be a file's name on the disk: a sentence. "" if it can.
[[nodiscard]] std::string why_not_a_name(const std::string& name);

/// Two names are the same to FAT where this is the same.
[[nodiscard]] std::string folded_name(std::string name);

} // namespace bulkhead::tools
