// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#pragma once

#include <algorithm>
#include <optional>

#include "base/types.hpp"

namespace bulkhead {

/// When a guest that ends by itself starts again: at once, but later and later where its lives are short, so that one
/// that fails at each start does not keep its cores busy with that.
class RestartCount {
public:
    static constexpr u64 short_life = 60'000;    ///< milliseconds
    static constexpr u64 longest_delay = 60'000; ///< milliseconds

    /// Milliseconds to wait before it starts again, after a life of `lived` milliseconds; nothing: it stays off. The
    /// second restart in a row of short lives comes after `delay`, at most longest_delay, each that follows after twice
    /// the time. `limit`: how many there are in such a row; 0: any number.
    [[nodiscard]] constexpr std::optional<u64> next(u64 lived, u32 limit, u32 delay) {
        if (lived >= short_life)
            in_a_row_ = 0;
        if (limit != 0 && in_a_row_ == limit)
            return std::nullopt;
        const u32 before = in_a_row_++;
        if (before == 0)
            return 0;
        constexpr u32 enough_doubling = 16;
        return std::min(longest_delay, u64{delay} << std::min(before - 1, enough_doubling));
    }
    /// Somebody has started it: that begins a new row.
    constexpr void clear() { in_a_row_ = 0; }

private:
    u32 in_a_row_ = 0;
};

} // namespace bulkhead
