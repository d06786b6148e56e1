// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#pragma once

#include <span>

#include "config/diagnostics.hpp"
#include "config/model.hpp"
#include "config/toml.hpp"

namespace bulkhead {

/// Entries to the model, by the tables of config/schema.hpp. Reports unknown tables and keys, wrong types, values out
/// of range, required keys that are missing, and more guests than max_guests. Lists of CPUs go to `cpu_numbers`, which
/// has room for every element of every array; lists of modules go to `modules`, and are refused where that is full.
void interpret(std::span<const toml::Entry> entries, std::span<Located<u64>> cpu_numbers,
               std::span<ModuleConfig> modules, Configuration& configuration, Diagnostics& diagnostics);

} // namespace bulkhead
