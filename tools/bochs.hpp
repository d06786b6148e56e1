// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#pragma once

#include <string_view>

namespace bulkhead::tools::bochs {

/// A command of its debugger that does nothing. There is always one to be read while Bochs runs, which waits for input
/// now and then.
inline constexpr std::string_view debugger_idle = "bpe 1";

} // namespace bulkhead::tools::bochs
