// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#pragma once

#include <cstring>
#include <span>

#include "base/types.hpp"

namespace bulkhead {

/// A hash of 64 bits that tells whether memory still holds what it held: against its decay and against our own faults.
/// Each step is a bijection of the state, so a change within any 8 bytes is always seen. It is no defence against
/// somebody who can choose what the memory holds; nobody who could reaches what we hash.
///
/// Multiplication and rotation alternate, as in Fowler, Noll and Vo's FNV-1a over words: four instructions for 8 bytes.
class Hash {
public:
    constexpr void add(u64 word) {
        state_ = (state_ ^ word) * 0x9e3779b97f4a7c15; // odd: 2^64 divided by the golden ratio
        state_ = state_ << 29 | state_ >> 35;
    }

    /// Of any alignment. Zeros fill up the last word: what is added next begins a new one.
    void add(std::span<const u8> bytes) {
        const u8* next = bytes.data();
        u64 left = bytes.size();
        u64 word = 0;
        for (; left >= sizeof word; left -= sizeof word, next += sizeof word) {
            std::memcpy(&word, next, sizeof word);
            add(word);
        }
        word = 0;
        for (u64 i = 0; i < left; ++i)
            word |= u64{next[i]} << 8 * i;
        if (left != 0)
            add(word);
    }

    /// A GuestSegment: where it belongs, its size, its bytes.
    void add_segment(u64 to, std::span<const u8> bytes) {
        add(to);
        add(u64{bytes.size()});
        add(bytes);
    }

    [[nodiscard]] constexpr u64 value() const { return state_; }

private:
    u64 state_ = 0xcbf29ce484222325; // FNV's offset basis: any number but 0
};

} // namespace bulkhead
