// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "tools/coverage.hpp"

#include <sstream>

#include <catch2/catch_test_macros.hpp>

#include "tools/failure.hpp"

namespace bulkhead::tools {
namespace {

constexpr std::string_view exported = R"({"data":[{"files":[
  {"filename":"/s/core/a.cpp","summary":{"lines":{"count":10,"covered":9}}},
  {"filename":"/s/core/b.hpp","summary":{"lines":{"count":10,"covered":10}}},
  {"filename":"/s/boot/guest/c.cpp","summary":{"lines":{"count":20,"covered":11}}},
  {"filename":"/s/tests/unit/x.cpp","summary":{"lines":{"count":99,"covered":0}}},
  {"filename":"/s/build/generated/y.hpp","summary":{"lines":{"count":99,"covered":0}}},
  {"filename":"/usr/include/z.h","summary":{"lines":{"count":99,"covered":0}}}]}]})";

TEST_CASE("Coverage: lines of our folders are counted, tests and others' files are not") {
    const auto folders = read_coverage(exported, "/s");
    REQUIRE(folders.size() == 3);
    CHECK(folders[0].folder == "boot/guest");
    CHECK(folders[1].folder == "core");
    CHECK(folders[1].covered == 19);
    CHECK(folders[2].lines == 40);
    CHECK(folders[2].percent() == 75);
    std::ostringstream out;
    write_coverage(out, folders);
    CHECK(out.str().ends_with("together              40        30     75.0\n"));
    CHECK(CoveredLines{}.percent() == 100);
    CHECK_THROWS_AS(read_coverage("{}", "/s"), Failure);
    CHECK_THROWS_AS(read_coverage("no JSON", "/s"), Failure);
}

} // namespace
} // namespace bulkhead::tools
