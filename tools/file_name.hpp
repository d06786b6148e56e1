// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#pragma once

#include <string>

namespace bulkhead::tools {

/// Why `name`, a path in a configuration, cannot be a file's name on the disk: a sentence. "" if it can.
[[nodiscard]] std::string why_not_a_name(const std::string& name);

} // namespace bulkhead::tools
