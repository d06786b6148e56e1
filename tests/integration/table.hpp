// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// Which boot ran on which machine, and how it went: a table in Markdown.
#pragma once

#include <filesystem>
#include <string>

namespace bulkhead::integration {

/// From the recordings that are there. One that is older than the product does not count.
[[nodiscard]] std::string table_of_recordings();

/// Whether `file` has the table as it is when every boot has run and passed. If not, says how it should be.
[[nodiscard]] bool has_current_table(const std::filesystem::path& file);

} // namespace bulkhead::integration
