// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#pragma once

#include <filesystem>

namespace bulkhead::tools {

/// Writes the demo's initial file system: the toolbox's busybox and guests/linux-demo/init.
void write_demo_initramfs(const std::filesystem::path& file);

} // namespace bulkhead::tools
