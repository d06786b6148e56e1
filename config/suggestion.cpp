// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "config/suggestion.hpp"

#include <algorithm>
#include <array>

namespace bulkhead {
namespace {

constexpr std::size_t longest = 32;
using Row = std::array<std::size_t, longest + 1>;

/// The distance of Damerau and Levenshtein, optimal string alignment. Both are at most `longest` long.
std::size_t distance(std::string_view a, std::string_view b) {
    Row before_previous{};
    Row previous{};
    Row current{};
    for (std::size_t j = 0; j <= b.size(); ++j)
        current[j] = j;
    for (std::size_t i = 1; i <= a.size(); ++i) {
        before_previous = previous;
        previous = current;
        current[0] = i;
        for (std::size_t j = 1; j <= b.size(); ++j) {
            current[j] = std::min({previous[j] + 1, current[j - 1] + 1, previous[j - 1] + (a[i - 1] != b[j - 1])});
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                current[j] = std::min(current[j], before_previous[j - 2] + 1);
        }
    }
    return current[b.size()];
}

} // namespace

std::string_view suggest(std::string_view written, std::span<const std::string_view> candidates) {
    std::string_view best;
    if (written.size() > longest)
        return best;
    std::size_t best_distance = std::max<std::size_t>(1, written.size() / 3) + 1;
    for (std::string_view candidate : candidates) {
        if (const std::size_t d = distance(written, candidate); d < best_distance) {
            best = candidate;
            best_distance = d;
        }
    }
    return best;
}

} // namespace bulkhead
