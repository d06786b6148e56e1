// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#pragma once

#include <filesystem>
#include <string>

namespace bulkhead::tools {

/// As sha256sum prints it. Throws Failure if the file cannot be read.
[[nodiscard]] std::string sha256_of_file(const std::filesystem::path& path);

} // namespace bulkhead::tools
