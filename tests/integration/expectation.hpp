// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#pragma once

#include <string>
#include <vector>

namespace bulkhead::integration {

/// One demand on the lines of a run.
struct Expectation {
    enum class Kind {
        Lines, ///< for each pattern a line, in this order
        Never, ///< no line has any of the patterns
        Same, ///< the first group of the first pattern is the same wherever it is found, which is `least` times or more
        Sum,    ///< the first groups of the first pattern are numbers, `least` or more together
        Number, ///< the first group of the first pattern is a number: in some line, and everywhere from `least` to
                ///< `most`
    };
    Kind kind = Kind::Lines;
    std::vector<std::string> patterns;
    long least = 0;
    long most = 0;
};

[[nodiscard]] Expectation line(const std::string& pattern);
[[nodiscard]] Expectation lines_in_order(std::vector<std::string> patterns);
[[nodiscard]] Expectation never(const std::string& pattern);
[[nodiscard]] Expectation number(const std::string& pattern, long least, long most);
[[nodiscard]] Expectation sum(const std::string& pattern, long least);
[[nodiscard]] Expectation same(const std::string& pattern, long at_least);

/// What is wrong with `lines`: a sentence, or "".
[[nodiscard]] std::string judge(const Expectation& expectation, const std::vector<std::string>& lines);

} // namespace bulkhead::integration
