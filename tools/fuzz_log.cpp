// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include <cstdlib>

#include "tools/fuzz.hpp"

namespace bulkhead::tools {
namespace {

/// The number behind the last `mark`, or 0.
std::uint64_t last_number(const std::string& log, const std::string& mark) {
    const std::size_t at = log.rfind(mark);
    return at == std::string::npos ? 0 : std::strtoull(log.c_str() + at + mark.size(), nullptr, 10);
}

} // namespace

FuzzResult read_fuzz_log(const std::string& log) {
    FuzzResult result{.executions = last_number(log, "stat::number_of_executed_units: "),
                      .reached = last_number(log, " cov: "),
                      .finding = {}};
    if (result.executions == 0) // it did not come to its end, or is not there yet: "#1024 pulse  cov: ..."
        result.executions = last_number(log, "\n#");
    const std::string written = "Test unit written to ";
    if (const std::size_t at = log.rfind(written); at != std::string::npos)
        result.finding = log.substr(at + written.size(), log.find('\n', at) - at - written.size());
    return result;
}

} // namespace bulkhead::tools
