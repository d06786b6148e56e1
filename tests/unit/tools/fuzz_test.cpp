// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "tools/fuzz.hpp"

#include <catch2/catch_test_macros.hpp>

namespace bulkhead::tools {
namespace {

const std::string running = "INFO: seed corpus: files: 26\n#27\tINITED cov: 81 ft: 90 corp: 9/40b exec/s: 0 rss: 57Mb\n"
                            "#1024\tpulse  cov: 93 ft: 290 corp: 92/1540b lim: 4096 exec/s: 512 rss: 78Mb\n";

TEST_CASE("Fuzz: libFuzzer's output says how far it is, and what it found") {
    CHECK(read_fuzz_log("").executions == 0);
    CHECK(read_fuzz_log(running).executions == 1024);
    CHECK(read_fuzz_log(running).reached == 93);
    CHECK(read_fuzz_log(running).finding.empty());
    const std::string ended = running + "Done 20000 runs in 3 second(s)\nstat::number_of_executed_units: 20000\n";
    CHECK(read_fuzz_log(ended).executions == 20000);
    const std::string failed = running + "artifact_prefix='a b-'; Test unit written to a b-crash-01\nBase64: AA==\n";
    CHECK(read_fuzz_log(failed).finding == "a b-crash-01");
    CHECK(read_fuzz_log(failed).executions == 1024);
}

} // namespace
} // namespace bulkhead::tools
