// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#pragma once

#include <span>
#include <string_view>

#include "survey/inventory.hpp"

namespace bulkhead::survey {

/// Enough for the largest machine that an Inventory has room for is more than this; what does not fit is left out, and
/// said.
inline constexpr u64 inventory_text_size = 1 * MiB;

/// What tells one machine from all others of its kind: serial numbers and the UUID.
enum class Identity : u8 { Written, LeftOut };

/// The inventory as TOML (docs/hardware.md), in `room`. Returns the part that was used.
[[nodiscard]] std::string_view write_inventory(const Inventory& inventory, std::span<char> room,
                                               Identity identity = Identity::Written);

} // namespace bulkhead::survey
