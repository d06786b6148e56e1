// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#pragma once

#include "base/types.hpp"

namespace bulkhead {

/// The bits High to Low of a word, as manuals name them. A register's or table entry's layout is a struct of these
/// (C++'s own bit-fields cannot be used in constant expressions with std::bit_cast: clang 19).
template <unsigned High, unsigned Low = High> struct BitField {
    static_assert(High < 64 && Low <= High);
    static constexpr u64 max = ~u64{0} >> (63 - High + Low);
    static constexpr u64 mask = max << Low;

    /// The field's value in `word`.
    [[nodiscard]] static constexpr u64 in(u64 word) { return (word & mask) >> Low; }
    /// A word with this field only. Bits of `value` that do not fit are dropped.
    [[nodiscard]] static constexpr u64 of(u64 value) { return (value & max) << Low; }
    /// `word` with this field replaced.
    [[nodiscard]] static constexpr u64 set(u64 word, u64 value) { return (word & ~mask) | of(value); }
};

} // namespace bulkhead
