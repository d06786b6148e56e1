// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#pragma once

#include <cstdint>

namespace bulkhead::tools {

/// What files are dated that are the same for the same input (reproducible-builds.org): the environment's
/// SOURCE_DATE_EPOCH, or else `otherwise`. Seconds since 1970. Throws Failure unless it is a number that is at least
/// `least` and has at most 32 bits.
[[nodiscard]] std::uint32_t source_date_epoch(std::uint32_t otherwise, std::uint32_t least = 0);

} // namespace bulkhead::tools
