// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// SRAT: which processors and which memory are near to each other (ACPI 6.5 5.2.16).
#pragma once

#include "boot/acpi.hpp"
#include "boot/boot_info.hpp"
#include "config/placement.hpp"

namespace bulkhead::acpi {

/// How many ranges of memory it lists at most. `table` is a whole SRAT, header included.
[[nodiscard]] u64 count_srat_memory(Bytes table);

/// Fills in the node of each of `cpus` that the table lists as enabled, and returns the enabled ranges of memory, in
/// `storage`. What is damaged, empty, wraps, or has no room is left out.
[[nodiscard]] std::span<NodeMemory> parse_srat(Bytes table, std::span<CpuInfo> cpus, std::span<NodeMemory> storage);

} // namespace bulkhead::acpi
