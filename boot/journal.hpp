// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#pragma once

#include "base/journal_entry.hpp"

namespace bulkhead::boot {

/// What the boot before left in `ring`, the oldest first, goes to the front of `lines`, which is as large as the ring.
/// Returns how many there are.
[[nodiscard]] u64 read_journal(std::span<const JournalEntry> ring, std::span<JournalEntry> lines);

/// Makes it empty, for the next boot to find what this one leaves.
void clear_journal(std::span<JournalEntry> ring);

} // namespace bulkhead::boot
