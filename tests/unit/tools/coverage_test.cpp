// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "tools/coverage.hpp"

#include <unistd.h>

#include <filesystem>
#include <fstream>
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

TEST_CASE("Coverage: sources that no unit test has are named") {
    const std::filesystem::path folder =
        std::filesystem::temp_directory_path() / ("bulkhead-coverage-" + std::to_string(getpid()));
    const std::string source = folder.string();
    std::filesystem::create_directories(folder / "core");
    std::filesystem::create_directories(folder / "tests");
    const auto write = [&](const std::string& name) {
        std::ofstream(folder / name) << "// a comment\n\n    // another\nint a;\n  int b;\n";
    };
    for (const std::string name : {"core/tested.cpp", "core/b.cpp", "core/a.cpp", "core/a.hpp", "tests/x.cpp"})
        write(name);
    const std::string json = R"({"data":[{"files":[{"filename":")" + source + R"(/core/tested.cpp"}]}]})";
    const auto left_out = find_left_out(json, source);
    REQUIRE(left_out.size() == 1);
    CHECK(left_out[0].folder == "core");
    CHECK(left_out[0].lines == 4);
    CHECK(left_out[0].files == std::vector<std::string>{"a.cpp", "b.cpp"});
    std::ostringstream out;
    write_left_out(out, left_out);
    CHECK(out.str().starts_with("Not in this table are 4 lines"));
    CHECK(out.str().ends_with("  core, 4 lines: a.cpp b.cpp\n"));
    CHECK_THROWS_AS(find_left_out("{}", source), Failure);
    std::filesystem::remove_all(folder);
}

} // namespace
} // namespace bulkhead::tools
