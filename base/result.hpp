// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#pragma once

#include <expected>
#include <string_view>

#include "base/types.hpp"

namespace bulkhead {

/// Why something failed. `what` is a constant sentence that names the thing and what would be right; `value` is the
/// number that was wrong (0 where there is none).
struct Error {
    std::string_view what;
    u64 value = 0;
};

template <class T> using Result = std::expected<T, Error>;

[[nodiscard]] inline std::unexpected<Error> fail(std::string_view what, u64 value = 0) {
    return std::unexpected(Error{what, value});
}

} // namespace bulkhead
