// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#pragma once

#include <expected>
#include <string_view>

#include "base/types.hpp"

namespace bulkhead {

/// A string literal, by its address alone: there are many places that fail, and each would write its size as well.
class Literal {
public:
    template <std::size_t Size> consteval Literal(const char (&text)[Size]) : text_(text) {} // NOLINT(*-explicit-*)
    /// A copy of another program's literal: zero-terminated, and there for as long as this program runs.
    [[nodiscard]] static constexpr Literal copied(const char* text) {
        Literal literal("");
        literal.text_ = text;
        return literal;
    }
    friend constexpr bool operator==(Literal a, Literal b) { return std::string_view(a) == std::string_view(b); }
    constexpr operator std::string_view() const { return text_; } // NOLINT(*-explicit-*)

private:
    const char* text_;
};

/// Why something failed. `what` is a constant sentence that names the thing and what would be right; `value` is the
/// number that was wrong (0 where there is none).
struct Error {
    Literal what;
    u64 value = 0;
};

template <class T> using Result = std::expected<T, Error>;

[[nodiscard]] inline std::unexpected<Error> fail(Literal what, u64 value = 0) {
    return std::unexpected(Error{what, value});
}

} // namespace bulkhead
