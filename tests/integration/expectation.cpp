// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "integration/expectation.hpp"

#include <algorithm>
#include <iterator>
#include <regex>

namespace bulkhead::integration {
namespace {

std::string judge_lines(const std::vector<std::string>& patterns, const std::vector<std::string>& lines) {
    auto from = lines.begin();
    for (const std::string& pattern : patterns) {
        const std::regex regex(pattern);
        const auto found =
            std::find_if(from, lines.end(), [&](const std::string& each) { return std::regex_search(each, regex); });
        if (found == lines.end())
            return "no line" + std::string(from == lines.begin() ? "" : " after the one before it") + " has " + pattern;
        from = std::next(found);
    }
    return "";
}

std::string judge_never(const std::vector<std::string>& patterns, const std::vector<std::string>& lines) {
    for (const std::string& pattern : patterns) {
        const std::regex regex(pattern);
        for (const std::string& each : lines) {
            if (std::regex_search(each, regex))
                return "a line has " + pattern + ": " + each;
        }
    }
    return "";
}

std::string judge_number(const Expectation& expectation, const std::vector<std::string>& lines) {
    const std::string& pattern = expectation.patterns.front();
    const std::regex regex(pattern);
    bool found = false;
    for (const std::string& each : lines) {
        std::smatch match;
        if (!std::regex_search(each, match, regex))
            continue;
        found = true;
        const long value = std::stol(match[1].str(), nullptr, 0);
        if (value < expectation.least || value > expectation.most)
            return std::to_string(value) + " is not from " + std::to_string(expectation.least) + " to " +
                   std::to_string(expectation.most) + ": " + each;
    }
    return found ? "" : "no line has " + pattern;
}

std::string judge_sum(const Expectation& expectation, const std::vector<std::string>& lines) {
    const std::regex regex(expectation.patterns.front());
    long sum = 0;
    for (const std::string& each : lines)
        if (std::smatch match; std::regex_search(each, match, regex))
            sum += std::stol(match[1].str());
    return sum >= expectation.least ? ""
                                    : std::to_string(sum) + " together, less than " +
                                          std::to_string(expectation.least) + ": " + expectation.patterns.front();
}

std::string judge_same(const Expectation& expectation, const std::vector<std::string>& lines) {
    const std::regex regex(expectation.patterns.front());
    std::string value, where;
    long found = 0;
    for (const std::string& each : lines) {
        std::smatch match;
        if (!std::regex_search(each, match, regex))
            continue;
        if (++found > 1 && match[1].str() != value)
            return "two lines differ: " + where + " and " + each;
        value = match[1].str();
        where = each;
    }
    return found >= expectation.least ? ""
                                      : std::to_string(found) + " lines have " + expectation.patterns.front() +
                                            ", instead of " + std::to_string(expectation.least);
}

} // namespace

Expectation line(const std::string& pattern) { return {.kind = Expectation::Kind::Lines, .patterns = {pattern}}; }

Expectation lines_in_order(std::vector<std::string> patterns) {
    return {.kind = Expectation::Kind::Lines, .patterns = std::move(patterns)};
}

Expectation never(const std::string& pattern) { return {.kind = Expectation::Kind::Never, .patterns = {pattern}}; }

Expectation number(const std::string& pattern, long least, long most) {
    return {.kind = Expectation::Kind::Number, .patterns = {pattern}, .least = least, .most = most};
}

Expectation sum(const std::string& pattern, long least) {
    return {.kind = Expectation::Kind::Sum, .patterns = {pattern}, .least = least};
}

Expectation same(const std::string& pattern, long at_least) {
    return {.kind = Expectation::Kind::Same, .patterns = {pattern}, .least = at_least};
}

std::string judge(const Expectation& expectation, const std::vector<std::string>& lines) {
    switch (expectation.kind) {
    case Expectation::Kind::Lines:
        return judge_lines(expectation.patterns, lines);
    case Expectation::Kind::Never:
        return judge_never(expectation.patterns, lines);
    case Expectation::Kind::Sum:
        return judge_sum(expectation, lines);
    case Expectation::Kind::Same:
        return judge_same(expectation, lines);
    case Expectation::Kind::Number:
        return judge_number(expectation, lines);
    }
    return "";
}

} // namespace bulkhead::integration
