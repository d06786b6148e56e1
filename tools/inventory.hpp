// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// Reads inventory.toml, which the loader's survey and `bulkhead probe` write (docs/hardware.md).
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "config/placement.hpp"

namespace bulkhead::tools {

/// A machine as config/placement.hpp wants it.
struct InventoryMachine {
    std::string name; ///< of the system, or of its processor; may be ""
    std::vector<CpuInfo> cpus;
    std::vector<PhysicalRange> free_memory;
    std::vector<NodeMemory> nodes;
    std::vector<std::string> reasons_against; ///< why it cannot run Bulkhead; none: it can, or nobody knows
    std::vector<std::string> doubts;          ///< why nobody knows
    std::vector<u16> serial_ports;
    bool is_made_up = false;

    [[nodiscard]] Machine view() const { return {.cpus = cpus, .free_memory = free_memory, .nodes = nodes}; }
};

/// Throws Failure, with the line where there is one: the file cannot be read, is not TOML, is of a schema that is newer
/// than we know, or does not say what it must.
[[nodiscard]] InventoryMachine read_inventory(const std::filesystem::path& path);

} // namespace bulkhead::tools
