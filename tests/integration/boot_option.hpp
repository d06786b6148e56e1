// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#pragma once

#include <filesystem>
#include <string_view>

namespace bulkhead::integration {

/// Writes `variables`, the flash memory of a machine of QEMU's whose network card is at 0:2.0 and has QEMU's first
/// address: its firmware boots from `uri`, as if somebody had added that in its menu. Throws tools::Failure.
void write_variables_that_boot_from(const std::filesystem::path& variables, std::string_view uri);

} // namespace bulkhead::integration
