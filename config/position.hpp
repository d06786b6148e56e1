// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#pragma once

#include <compare>

#include "base/types.hpp"

namespace bulkhead {

/// A place in the configuration file. Lines and columns count from 1; a column is a character, not a byte, as editors
/// show it. Line 0 is no place: the file as a whole, or a value that the file does not give.
struct Position {
    u32 line = 0;
    u32 column = 0;

    friend constexpr auto operator<=>(Position, Position) = default;
};

/// A value out of the configuration and where it stands there.
template <class T> struct Located {
    T value{};
    Position at;

    /// False for a default, and for a value that was refused.
    [[nodiscard]] constexpr bool given() const { return at.line != 0; }
};

} // namespace bulkhead
