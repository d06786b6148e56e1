// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// Values of TOML other than arrays. Each function returns false after it reported an error; the cursor is then
// somewhere in the value's line, or behind a multi-line string.
#pragma once

#include <string_view>

#include "base/text.hpp"
#include "config/diagnostics.hpp"
#include "config/toml.hpp"
#include "config/toml_cursor.hpp"

namespace bulkhead::toml {

/// Any value but an array. Strings go to `arena`.
[[nodiscard]] bool parse_scalar(Cursor& cursor, Scalar& value, Text& arena, Diagnostics& diagnostics);

/// A string with its quotes, basic or literal.
[[nodiscard]] bool parse_string(Cursor& cursor, Scalar& value, Text& arena, Diagnostics& diagnostics);

} // namespace bulkhead::toml
