// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#pragma once

#include "boot/memory_map.hpp"
#include "survey/inventory.hpp"

namespace bulkhead::survey {

/// Adds a range that is not empty; ranges may come in any order.
void add_memory(Inventory& inventory, PhysicalRange range, MemoryKind kind);

/// When all ranges are in the list: sorts it and merges neighbours of a kind.
void sort_memory(Inventory& inventory);

/// A whole memory map of UEFI.
void survey_memory(Inventory& inventory, const boot::FirmwareMap& map);

[[nodiscard]] std::string_view name_of(MemoryKind kind);
/// False: `kind` stays as it is.
[[nodiscard]] bool memory_kind_of(std::string_view name, MemoryKind& kind);

/// Bytes that are free.
[[nodiscard]] u64 free_bytes(const Inventory& inventory);

} // namespace bulkhead::survey
