// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#pragma once

#include <span>

#include "config/diagnostics.hpp"
#include "config/model.hpp"
#include "config/toml.hpp"

namespace bulkhead {

/// What the model's lists live in: each has room for every element of every array, but `modules`, beyond whose room
/// they are refused.
struct ListStorage {
    std::span<Located<u64>> cpu_numbers;
    std::span<Located<PhysicalRange>> memory_ranges;
    std::span<ModuleConfig> modules;
    std::span<Located<std::string_view>> digests;
};

/// Entries to the model, by the tables of config/schema.hpp. Reports unknown tables and keys, wrong types, values out
/// of range, required keys that are missing, and more guests than max_guests. A file for another version of the keys is
/// reported as that alone.
void interpret(std::span<const toml::Entry> entries, const ListStorage& lists, Configuration& configuration,
               Diagnostics& diagnostics);

} // namespace bulkhead
