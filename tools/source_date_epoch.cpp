// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "tools/source_date_epoch.hpp"

#include <charconv>
#include <cstdlib>
#include <string>

#include "tools/failure.hpp"

namespace bulkhead::tools {

std::uint32_t source_date_epoch(std::uint32_t otherwise, std::uint32_t least) {
    const char* variable = std::getenv("SOURCE_DATE_EPOCH");
    if (variable == nullptr || *variable == 0)
        return otherwise;
    const std::string text = variable;
    std::uint32_t seconds = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seconds);
    if (error != std::errc() || end != text.data() + text.size() || seconds < least)
        throw Failure("SOURCE_DATE_EPOCH is '" + text + "': it must be a number of seconds since 1970, from " +
                          std::to_string(least) + " to 4294967295",
                      2);
    return seconds;
}

} // namespace bulkhead::tools
