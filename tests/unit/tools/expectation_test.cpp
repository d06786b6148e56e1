// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "integration/expectation.hpp"

#include <catch2/catch_test_macros.hpp>

namespace bulkhead::integration {
namespace {

const std::vector<std::string> lines{"[a] one", "[b] two", "exits of a vCPU 0: total 7", "exits of b vCPU 0: total 30"};

TEST_CASE("judge: every expectation can fail") {
    CHECK(judge(line("^\\[a\\] one$"), lines).empty());
    CHECK_FALSE(judge(line("^\\[a\\] two$"), lines).empty());

    CHECK(judge(lines_in_order({"one", "two"}), lines).empty());
    CHECK_FALSE(judge(lines_in_order({"two", "one"}), lines).empty());
    CHECK_FALSE(judge(lines_in_order({"one", "one"}), lines).empty());

    CHECK(judge(never("three"), lines).empty());
    CHECK_FALSE(judge(never("two"), lines).empty());
}

TEST_CASE("judge: a number must be there, and in range everywhere") {
    CHECK(judge(number("total (\\d+)", 7, 30), lines).empty());
    CHECK(judge(number("exits of a.*total (\\d+)", 0, 7), lines).empty());
    CHECK_FALSE(judge(number("total (\\d+)", 7, 29), lines).empty());
    CHECK_FALSE(judge(number("total (\\d+)", 8, 30), lines).empty());
    CHECK_FALSE(judge(number("average (\\d+)", 0, 100), lines).empty());
}

TEST_CASE("judge: numbers are added up over all lines") {
    CHECK(judge(sum("total (\\d+)", 37), lines).empty());
    CHECK_FALSE(judge(sum("total (\\d+)", 38), lines).empty());
    CHECK_FALSE(judge(sum("average (\\d+)", 1), lines).empty());
}

} // namespace
} // namespace bulkhead::integration
