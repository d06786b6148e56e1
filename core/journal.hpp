// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// A ring in memory that a warm reset leaves alone, for what the next boot is to say about this one. It has no header:
// each entry stands for itself, and one that is torn, or was never ours, is known by its checksum.
#pragma once

#include <atomic>
#include <span>
#include <string_view>

#include "base/types.hpp"

namespace bulkhead {

struct JournalEntry {
    u64 checksum; ///< of the rest: a Hash
    u64 sequence; ///< counts from 0 at each boot; the entry's place is this modulo the ring's size
    char text[240];
};
static_assert(sizeof(JournalEntry) == 256);

class Journal {
public:
    /// `ring`: holds what the boot before left; empty: there is no journal.
    void attach(std::span<JournalEntry> ring) { ring_ = ring; }

    /// A line, cut where it is too long. Any CPU, also one that must not wait: there is no lock.
    void add(std::string_view line);

    /// Those of the boot before, before the first add(): the oldest first.
    template <class Print> void replay(Print print) const {
        u64 end = 0; // behind the newest
        for (const JournalEntry& entry : ring_)
            if (entry.sequence >= end && is_whole(entry))
                end = entry.sequence + 1;
        for (u64 next = end > ring_.size() ? end - ring_.size() : 0; next < end; ++next) {
            const JournalEntry& entry = ring_[next % ring_.size()];
            const std::string_view text(entry.text, sizeof entry.text);
            if (entry.sequence == next && is_whole(entry))
                print(text.substr(0, text.find('\0')));
        }
    }
    void clear();

private:
    static bool is_whole(const JournalEntry& entry);
    static void write(JournalEntry& place, const JournalEntry& entry);

    std::span<JournalEntry> ring_;
    std::atomic<u64> next_{0};
};

extern constinit Journal journal;

} // namespace bulkhead
