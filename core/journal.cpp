// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "core/journal.hpp"

#include "arch/x86_64/instructions.hpp"

namespace bulkhead {

constinit Journal journal;

void Journal::add(std::string_view line) {
    if (ring_.empty())
        return;
    JournalEntry entry{.checksum = 0, .sequence = next_.fetch_add(1), .text = {}};
    line.copy(entry.text, sizeof entry.text - 1);
    entry.checksum = entry.right_checksum();
    JournalEntry& place = ring_[entry.sequence % ring_.size()];
    place = entry;
    // A reset may drop what is in caches only. In which order it gets out does not matter: the checksum covers it all.
    arch::flush_cache(&place, sizeof place);
}

} // namespace bulkhead
