// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "core/journal.hpp"

#include "arch/x86_64/instructions.hpp"
#include "base/hash.hpp"
#include "base/init.hpp"

namespace bulkhead {

namespace {

u64 checksum_of(const JournalEntry& entry) {
    Hash hash;
    hash.add(entry.sequence);
    hash.add(std::span(reinterpret_cast<const u8*>(entry.text), sizeof entry.text));
    return hash.value();
}

} // namespace

constinit Journal journal;

BULKHEAD_INIT bool Journal::is_whole(const JournalEntry& entry) {
    return entry.checksum != 0 && entry.checksum == checksum_of(entry); // 0: most memory after power-on
}

/// A reset may drop what is in caches only. In which order it gets out does not matter: the checksum covers it all.
void Journal::write(JournalEntry& place, const JournalEntry& entry) {
    place = entry;
    for (u64 offset = 0; offset < sizeof place; offset += arch::cache_line_size)
        arch::flush_cache_line(reinterpret_cast<u8*>(&place) + offset);
}

void Journal::add(std::string_view line) {
    if (ring_.empty())
        return;
    JournalEntry entry{.checksum = 0, .sequence = next_.fetch_add(1), .text = {}};
    line.copy(entry.text, sizeof entry.text);
    entry.checksum = checksum_of(entry);
    write(ring_[entry.sequence % ring_.size()], entry);
}

BULKHEAD_INIT void Journal::clear() {
    for (JournalEntry& entry : ring_)
        write(entry, {});
}

} // namespace bulkhead
