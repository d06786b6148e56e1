// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "tools/bench/linux_figures.hpp"

#include <map>
#include <optional>
#include <regex>
#include <string_view>

#include "tools/failure.hpp"

namespace bulkhead::tools {
namespace {

/// What the program says, and how much more than bare it may be: so much, and so many thousandths of bare. `most`: of
/// the guest's, where it is far less than bare.
struct Quantity {
    std::string_view name, what;
    long long more = 0, thousandths = 0;
    long long most = 0; ///< 0: none
};
constexpr Quantity quantities[] = {
    {"start", "Linux: its clock when its first program begins, ns", 30'000'000, 0, 1'280'000'000},
    {"first-touch", "Linux: first touch of a page of 4 KiB, mean", 4},
    {"sleep-overshoot", "Linux: a sleep of 10 ms is longer by, ns", 0, 10}, // 7 were wanted: docs/performance.md
    {"fork", "Linux: fork, exit and wait", 0, 5},
    {"lost-ppm", "Linux: time lost while it computes, ppm", 0, 30},
};

constexpr std::string_view windows[] = {"idle", "computing"};

std::optional<long long> value_of(const std::vector<std::string>& lines, std::string_view name) {
    const std::regex regex("BENCH " + std::string(name) + " (\\d+)$");
    for (const std::string& line : lines)
        if (std::smatch match; std::regex_search(line, match, regex))
            return std::stoll(match[1]);
    return std::nullopt;
}

using Reasons = std::map<std::string, long long>;

/// Of a line of counters; what comes behind its semicolon is no exit.
Reasons reasons_in(const std::string& line) {
    static const std::regex reason(", ([a-z0-9-]+) (\\d+)");
    const std::string counters = line.substr(0, line.find(';'));
    Reasons all;
    for (std::sregex_iterator i(counters.begin(), counters.end(), reason), end; i != end; ++i)
        all[(*i)[1]] = std::stoll((*i)[2]);
    return all;
}

/// What is more in `after` than in `before`.
void add_reasons(std::vector<Figure>& figures, const std::string& name, const std::string& what, const Reasons& before,
                 const Reasons& after) {
    for (const auto& [reason, count] : after) {
        const auto earlier = before.find(reason);
        if (const long long more = count - (earlier == before.end() ? 0 : earlier->second); more != 0)
            figures.push_back({name + "-" + reason, what + ", " + reason, more});
    }
}

} // namespace

std::vector<Figure> linux_figures(const std::vector<std::string>& bare, const std::vector<std::string>& guest) {
    std::vector<Figure> all;
    for (const Quantity& each : quantities) {
        const std::string name(each.name), what(each.what);
        const std::optional<long long> without = value_of(bare, name), with = value_of(guest, name);
        if (!without || !with)
            throw Failure("not measured: " + what);
        all.push_back({"bare-" + name, what + ", bare", *without});
        all.push_back({name, what, *with, each.most});
        all.push_back({"more-" + name, what + ", more than bare", *with - *without,
                       each.more + *without * each.thousandths / 1000});
    }
    return all;
}

std::vector<Figure> window_figures(const std::vector<std::string>& lines, unsigned seconds) {
    const std::regex window("BENCH window (\\w+)$");
    const std::regex counters("^bulkhead: exits of linux vCPU 0: total (\\d+)");
    std::vector<Figure> all;
    std::string name;
    std::optional<long long> first;
    Reasons reasons;
    for (const std::string& line : lines) {
        std::smatch match;
        if (std::regex_search(line, match, window)) {
            name = match[1];
            first.reset();
        } else if (!name.empty() && std::regex_search(line, match, counters)) {
            const long long total = std::stoll(match[1]);
            if (!first) {
                first = total;
                reasons = reasons_in(line);
                if (all.empty()) // nothing is behind it but its start
                    add_reasons(all, "start-exits", "Linux: exits until it idles", {}, reasons);
                continue;
            }
            const std::string what = "Linux: exits in " + std::to_string(seconds) + " s, " + name;
            all.push_back({name + "-exits", what, total - *first, 0, true});
            add_reasons(all, name + "-exits", what, reasons, reasons_in(line));
            name.clear();
        }
    }
    for (const std::string_view each : windows)
        if (find_figure(all, std::string(each) + "-exits") == nullptr)
            throw Failure("not measured: exits while Linux is " + std::string(each));
    return all;
}

} // namespace bulkhead::tools
