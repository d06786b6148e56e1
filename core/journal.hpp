// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#pragma once

#include <atomic>

#include "base/journal_entry.hpp"

namespace bulkhead {

/// What this boot leaves for the next, whose loader reads it (boot/journal.hpp).
class Journal {
public:
    /// `ring`: empty for none; else all zeros, as the loader leaves it.
    void attach(std::span<JournalEntry> ring) { ring_ = ring; }

    /// A line, cut where it is too long. Any CPU, also one that must not wait: there is no lock.
    void add(std::string_view line);

private:
    std::span<JournalEntry> ring_;
    std::atomic<u64> next_{0};
};

extern constinit Journal journal;

} // namespace bulkhead
