// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#pragma once

#include <span>
#include <string_view>

#include "survey/inventory.hpp"

namespace bulkhead::survey {

/// Enough for every proposal.
inline constexpr u64 proposal_text_size = 16 * KiB;

/// Files that a proposal's guests are made of; they are not there yet.
inline constexpr std::string_view proposed_kernel = "vmlinuz";
inline constexpr std::string_view proposed_initrd = "initrd";

/// A configuration for the machine, with comments that say what was found and why it is so: one or two guests that fit
/// it. It is valid, and boots once its files are there. In `room`; returns the part that was used.
[[nodiscard]] std::string_view write_proposal(const Inventory& inventory, std::span<char> room);

/// A few lines for a screen of 80 columns and 25 lines, each with a newline.
void write_summary(Text& out, const Inventory& inventory);

} // namespace bulkhead::survey
