// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "tools/coverage.hpp"

#include <filesystem>
#include <iostream>

#include "tools/failure.hpp"
#include "tools/folders.hpp"
#include "tools/process.hpp"

namespace bulkhead::tools {
namespace {

namespace fs = std::filesystem;

void build_tests(const fs::path& folder) {
    fs::create_directories(folder);
    if (!fs::exists(folder / "toolbox")) // the tests read its kernels
        fs::create_directory_symlink(toolbox_folder(), folder / "toolbox");
    std::cout << "building the unit tests with counters in " << folder.string() << std::endl;
    run_or_throw({"cmake", "-S", source_folder(), "--preset", "default", "-B", folder, "-DBULKHEAD_COVERAGE=ON"});
    run_or_throw({"cmake", "--build", folder, "--target", "unit_tests"});
}

/// Of Debian's packages the tools have the version in their names.
std::string llvm_tool(const std::string& name) {
    for (const std::string& known : {name + "-19", name})
        for (const fs::path folder : {"/usr/bin", "/usr/local/bin"})
            if (fs::exists(folder / known))
                return folder / known;
    throw Failure("there is no " + name + ": it is in the package llvm-19");
}

} // namespace

int run_coverage(double least) {
    const ResultFolder results(build_folder() / "coverage");
    const fs::path& folder = results.path();
    const fs::path tests = folder / "tests/unit/unit_tests", counts = folder / "counts", merged = folder / "merged";
    build_tests(folder);
    const Outcome outcome = run({tests}, {"LLVM_PROFILE_FILE=" + counts.string()});
    std::cout << outcome.output << std::flush;
    run_or_throw({llvm_tool("llvm-profdata"), "merge", "-sparse", counts, "-o", merged});
    const Command exported{llvm_tool("llvm-cov"), "export", "-summary-only", "-instr-profile=" + merged.string(),
                           tests};
    const Outcome json = run(exported);
    require_success(exported, json);
    const std::string_view exact = std::string_view(json.output).substr(json.output.find('{'));
    const auto folders = read_coverage(exact, source_folder());
    write_coverage(std::cout, folders);
    write_left_out(std::cout, find_left_out(exact, source_folder()));
    std::cout << "For lines: llvm-cov show -instr-profile=" << merged.string() << ' ' << tests.string() << " FILE\n"
              << std::flush;
    if (folders.back().percent() >= least)
        return outcome.status == 0 ? 0 : 1;
    throw Failure("less than " + std::to_string(static_cast<int>(least)) + " % of the lines that can be tested are");
}

} // namespace bulkhead::tools
