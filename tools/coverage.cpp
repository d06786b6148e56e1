// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "tools/coverage.hpp"

#include <filesystem>
#include <fstream>
#include <iostream>
#include <map>

#include "tools/failure.hpp"
#include "tools/folders.hpp"
#include "tools/process.hpp"

namespace bulkhead::tools {
namespace {

namespace fs = std::filesystem;

/// Programs that count, and what they are to execute.
using Programs = std::map<std::string, Command>;

Programs programs_in(const fs::path& folder) {
    const fs::path fuzz = folder / "tests/fuzz";
    Programs programs{{"unit_tests", {folder / "tests/unit/unit_tests"}}};
    std::ifstream list(fuzz / "targets"); // as tests/fuzz/CMakeLists.txt writes it
    for (std::string name, dictionary, longest; list >> name >> dictionary >> longest;)
        programs["fuzz_" + name] = {fuzz / ("fuzz_" + name), "-runs=0", "-rss_limit_mb=4096", fuzz / "seeds" / name,
                                    source_folder() / "tests/fuzz/corpus" / name};
    return programs;
}

void build_tests(const fs::path& folder) {
    fs::create_directories(folder);
    if (!fs::exists(folder / "toolbox")) // the tests read its kernels
        fs::create_directory_symlink(toolbox_folder(), folder / "toolbox");
    std::cout << "building unit tests and fuzz targets with counters in " << folder.string() << std::endl;
    run_or_throw({"cmake", "-S", source_folder(), "--preset", "default", "-B", folder, "-DBULKHEAD_COVERAGE=ON"});
    run_or_throw({"cmake", "--build", folder, "--target", "unit_tests", "fuzz_targets"});
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
    const fs::path merged = folder / "merged";
    build_tests(folder);
    Command merge{llvm_tool("llvm-profdata"), "merge", "-sparse", "-o", merged};
    Command exported{llvm_tool("llvm-cov"), "export", "-summary-only", "-instr-profile=" + merged.string()};
    bool failed = false;
    for (const auto& [name, command] : programs_in(folder)) {
        const fs::path counts = folder / ("counts-" + name);
        const Outcome outcome = run(command, {"LLVM_PROFILE_FILE=" + counts.string()});
        if (outcome.status != 0 || name == "unit_tests")
            std::cout << name << ": " << outcome.output << std::flush;
        failed = failed || outcome.status != 0;
        merge.push_back(counts);
        exported.push_back("-object=" + command.front());
    }
    run_or_throw(merge);
    const Outcome json = run(exported);
    require_success(exported, json);
    const std::string_view exact = std::string_view(json.output).substr(json.output.find('{'));
    const auto folders = read_coverage(exact, source_folder());
    write_coverage(std::cout, folders);
    write_left_out(std::cout, find_left_out(exact, source_folder()));
    std::cout << "For lines: llvm-cov show -instr-profile=" << merged.string() << ' '
              << (folder / "tests/unit/unit_tests").string() << " FILE\n"
              << std::flush;
    if (folders.back().percent() >= least)
        return failed ? 1 : 0;
    throw Failure("less than " + std::to_string(static_cast<int>(least)) + " % of the lines that can be tested are");
}

} // namespace bulkhead::tools
