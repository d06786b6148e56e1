// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace bulkhead::tools {

struct FuzzArguments {
    std::vector<std::string> targets; ///< none: all
    std::uint64_t runs = 0;           ///< of each target; 0: as many as there is time for
    std::uint64_t seconds = 0;        ///< for each target; 0: as long as its runs take
    std::uint64_t least = 0;          ///< executions of all targets together; fewer are a failure
    bool renews_corpus = false;       ///< what was found becomes the corpus in tests/fuzz/corpus
};

/// Runs targets of tests/fuzz, one after the other, and says what each has found. What an input of one reaches anew
/// goes to build/fuzz/TARGET, and an input that fails to build/fuzz/failed-TARGET-*. Returns the exit status: 1 when
/// something failed. Throws Failure, with the shell's status for it, when a signal ended it.
[[nodiscard]] int run_fuzz(const FuzzArguments& arguments);

/// What libFuzzer's output says.
struct FuzzResult {
    std::uint64_t executions = 0;
    std::uint64_t reached = 0; ///< counters of code
    std::string finding;       ///< the file with the input that fails; empty: none
};
[[nodiscard]] FuzzResult read_fuzz_log(const std::string& log);

} // namespace bulkhead::tools
