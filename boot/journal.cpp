// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "boot/journal.hpp"

#include <algorithm>

#include "arch/x86_64/instructions.hpp"

namespace bulkhead::boot {

namespace {

bool is_whole(const JournalEntry& entry) {
    return entry.checksum != 0 && entry.checksum == entry.right_checksum(); // 0: most memory after power-on
}

} // namespace

u64 read_journal(std::span<const JournalEntry> ring, std::span<JournalEntry> lines) {
    u64 end = 0; // behind the newest
    for (const JournalEntry& entry : ring)
        if (entry.sequence >= end && is_whole(entry))
            end = entry.sequence + 1;
    u64 count = 0;
    for (u64 next = end > ring.size() ? end - ring.size() : 0; next < end; ++next)
        if (const JournalEntry& entry = ring[next % ring.size()]; entry.sequence == next && is_whole(entry))
            lines[count++] = entry;
    return count;
}

void clear_journal(std::span<JournalEntry> ring) {
    std::ranges::fill(ring, JournalEntry{});
    arch::flush_cache(ring.data(), ring.size_bytes());
}

} // namespace bulkhead::boot
