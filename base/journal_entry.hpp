// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#pragma once

#include <span>
#include <string_view>

#include "base/hash.hpp"

namespace bulkhead {

/// A line in a ring of memory that a warm reset leaves alone, for what the next boot is to say about this one. The ring
/// has no header: each entry stands for itself, and one that is torn, or was never ours, is known by its checksum.
struct JournalEntry {
    u64 checksum;   ///< of the rest
    u64 sequence;   ///< counts from 0 at each boot; the entry's place is this modulo the ring's size
    char text[240]; ///< filled up with zeros

    [[nodiscard]] u64 right_checksum() const {
        Hash hash;
        hash.add(sequence);
        hash.add(std::span(reinterpret_cast<const u8*>(text), sizeof text));
        return hash.value();
    }
    [[nodiscard]] std::string_view line() const {
        const std::string_view all(text, sizeof text);
        return all.substr(0, all.find('\0'));
    }
};
static_assert(sizeof(JournalEntry) == 256);

} // namespace bulkhead
