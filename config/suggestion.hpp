// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#pragma once

#include <span>
#include <string_view>

namespace bulkhead {

/// The name among `candidates` that a person most likely meant by `written`; empty where none is near. Counts letters
/// that were added, left out, exchanged, or swapped with their neighbour.
[[nodiscard]] std::string_view suggest(std::string_view written, std::span<const std::string_view> candidates);

} // namespace bulkhead
