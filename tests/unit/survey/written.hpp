// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// An inventory on the heap, and what toml++ makes of it once it was written.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "survey/write_inventory.hpp"
#include "tools/toml_library.hpp"

namespace bulkhead::test {

inline std::unique_ptr<survey::Inventory> new_inventory() { return std::make_unique<survey::Inventory>(); }

inline std::string written(const survey::Inventory& inventory, u64 room = survey::inventory_text_size,
                           survey::Identity identity = survey::Identity::Written) {
    std::vector<char> buffer(room);
    return std::string(survey::write_inventory(inventory, buffer, identity));
}

/// Throws toml::parse_error where it is not TOML.
inline ::toml::table parsed(const survey::Inventory& inventory) { return ::toml::parse(written(inventory)); }

/// Whether a part of that name is among what was not understood.
inline bool has_note(const survey::Inventory& inventory, std::string_view part, std::string_view problem) {
    for (const survey::Unknown& one : inventory.unknown)
        if (one.part.view() == part && one.problem.view().find(problem) != std::string_view::npos)
            return true;
    return false;
}

} // namespace bulkhead::test
