// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#pragma once

#include <filesystem>
#include <string>

namespace bulkhead::integration {

/// On the disk that tools::write_image() has written: the chain of clusters of \bulkhead\`file` ends with its first,
/// while its directory entry still has the whole size. Throws tools::Failure.
void cut_chain(const std::filesystem::path& image, const std::string& file);

} // namespace bulkhead::integration
