// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "integration/verdict.hpp"

#include <algorithm>

#include "tools/failure.hpp"

namespace bulkhead::integration {
namespace {

bool is_never(Expectation::Kind kind) { return kind == Expectation::Kind::Never; }

} // namespace

std::vector<std::string> case_names(const Boot& boot, tools::MachineKind machine) {
    std::vector<std::string> names{std::string(end_case)};
    for (const Case& each : boot.cases) {
        if (std::ranges::find(each.on, machine) != each.on.end())
            names.push_back(each.name);
    }
    return names;
}

std::vector<std::string> complaints(const Boot& boot, const Recording& recording, std::string_view name) {
    std::vector<std::string> all;
    if (name == end_case) {
        all.push_back(judge_end(boot, recording));
    } else {
        const auto found = std::ranges::find(boot.cases, name, &Case::name);
        if (found == boot.cases.end())
            throw tools::Failure("there is no case '" + std::string(name) + "'", 2);
        for (const Expectation& expectation : found->expectations)
            all.push_back(judge(expectation, recording.lines.at(found->console)));
        // What never appears proves something only in a run that went its whole way.
        if (std::ranges::all_of(found->expectations, is_never, &Expectation::kind))
            all.push_back(judge_end(boot, recording));
    }
    std::erase(all, "");
    return all;
}

} // namespace bulkhead::integration
