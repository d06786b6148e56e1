// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#pragma once

#include <cstdint>
#include <iosfwd>
#include <string>
#include <string_view>
#include <vector>

namespace bulkhead::tools {

/// Lines of code that unit tests or fuzz targets have, and those that they ran.
struct CoveredLines {
    std::string folder;
    std::uint64_t lines = 0;
    std::uint64_t covered = 0;
    [[nodiscard]] double percent() const;
};

/// Of each folder below `source`, by what llvm-cov exports as JSON; the last is of all together. Tests themselves, and
/// what is generated or of no file of ours, do not count. Throws Failure where it is no such JSON.
[[nodiscard]] std::vector<CoveredLines> read_coverage(std::string_view json, const std::string& source);

/// Sources of a folder that neither unit tests nor fuzz targets have: what runs on the machine alone, and commands.
struct LeftOut {
    std::string folder;
    std::uint64_t lines = 0; ///< neither blank nor only a comment
    std::vector<std::string> files;
};

/// Of each folder of the product below `source`, by the same JSON. Throws Failure likewise.
[[nodiscard]] std::vector<LeftOut> find_left_out(std::string_view json, const std::string& source);

void write_coverage(std::ostream& out, const std::vector<CoveredLines>& folders);
void write_left_out(std::ostream& out, const std::vector<LeftOut>& folders);

/// Builds unit tests and fuzz targets with counters, in build/coverage, runs them, these on their corpora, and says
/// which part of each folder they reach, and which files they do not have at all. Returns the exit status: 1 when it is
/// less than `least` percent of all, or a test failed.
[[nodiscard]] int run_coverage(double least);

} // namespace bulkhead::tools
