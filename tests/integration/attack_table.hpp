// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// What guests tried in order to get out, how it must end, and how many cases of it the recorded runs had.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace bulkhead::integration {

/// One group of a guest's of guests/attack/.
struct Attack {
    std::string boot;
    std::string group; ///< as the guest prints it
    std::string tried;
    std::string end; ///< what may come of it
};

/// In the order of the table; in boots_attacks.cpp.
[[nodiscard]] std::vector<Attack> all_attacks();

/// A row for each, a column for each machine that has these boots: the number of cases, none of them an escape.
[[nodiscard]] std::string table_of_attacks();

/// Prints the table of the recordings where `file` does not have it.
[[nodiscard]] bool has_current_attacks(const std::filesystem::path& file);

} // namespace bulkhead::integration
