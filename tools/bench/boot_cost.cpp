// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "tools/bench/boot_cost.hpp"

#include <algorithm>
#include <limits>
#include <regex>

namespace bulkhead::tools {
namespace {

unsigned long long number_in(const std::vector<std::string>& lines, const std::string& pattern) {
    const std::regex regex(pattern);
    for (const std::string& line : lines)
        if (std::smatch match; std::regex_search(line, match, regex))
            return std::stoull(match[1]);
    return 0;
}

/// One of the three grows at a time.
double amount(const BootSize& size) { return 1.0 * size.guests * size.vcpus * size.memory_mib; }

} // namespace

std::string describe(const BootSize& size) {
    return std::to_string(size.guests) + (size.guests == 1 ? " guest of " : " guests of ") +
           std::to_string(size.vcpus) + (size.vcpus == 1 ? " vCPU and " : " vCPUs and ") +
           std::to_string(size.memory_mib) + " MiB";
}

BootCost read_boot_cost(const std::vector<std::string>& lines, const BootSize& size) {
    return {.size = size,
            .instructions = number_in(lines, "^bulkhead: boot: .*, zeroing and copying (\\d+)") +
                            number_in(lines, "^bulkhead: boot: .*, all else (\\d+)"),
            .kept_kib = number_in(lines, "^bulkhead: memory kept: (\\d+) KiB"),
            .stage_two_kib = number_in(lines, "^bulkhead: memory kept: .*second-stage tables: (\\d+) KiB")};
}

std::vector<std::string> faster_than_linear(const std::vector<BootCost>& costs) {
    std::vector<std::string> all;
    const auto look_at = [&](const std::string& what, unsigned long long BootCost::*cost) {
        double least = std::numeric_limits<double>::infinity();
        for (const BootCost& each : costs) {
            if (each.*cost == 0)
                all.push_back("not measured: " + what);
            const double of_one = static_cast<double>(each.*cost) / amount(each.size);
            if (of_one > 1.1 * least)
                all.push_back("faster than linear: " + what + ", at " + describe(each.size));
            least = std::min(of_one, least);
        }
    };
    look_at("instructions", &BootCost::instructions);
    look_at("memory kept", &BootCost::kept_kib);
    look_at("second-stage tables", &BootCost::stage_two_kib);
    return all;
}

} // namespace bulkhead::tools
