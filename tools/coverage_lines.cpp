// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iomanip>
#include <map>
#include <nlohmann/json.hpp>
#include <ostream>
#include <set>

#include "tools/coverage.hpp"
#include "tools/failure.hpp"

namespace bulkhead::tools {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

constexpr std::string_view product[] = {"arch",    "base", "boot",   "config", "core",  "devices",
                                        "drivers", "mm",   "survey", "svm",    "tools", "vmx"};

/// As tests/integration/code_lines.sh counts.
std::uint64_t count_code_lines(const fs::path& path) {
    std::ifstream file(path);
    std::uint64_t count = 0;
    for (std::string line; std::getline(file, line);) {
        const std::size_t first = line.find_first_not_of(" \t");
        if (first != std::string::npos && line.compare(first, 2, "//") != 0)
            ++count;
    }
    return count;
}

Json files_of(std::string_view json) { return Json::parse(json).at("data").at(0).at("files"); }

} // namespace

double CoveredLines::percent() const {
    return lines == 0 ? 100 : 100 * static_cast<double>(covered) / static_cast<double>(lines);
}

std::vector<CoveredLines> read_coverage(std::string_view json, const std::string& source) {
    try {
        std::map<std::string, CoveredLines> folders;
        CoveredLines all{.folder = "together"};
        for (const Json& file : files_of(json)) {
            const fs::path path = fs::path(file.at("filename").get<std::string>()).lexically_relative(source);
            const std::string folder = path.parent_path().string();
            if (folder.empty() || folder.starts_with("..") || folder.starts_with("tests") ||
                folder.starts_with("build"))
                continue;
            const Json& lines = file.at("summary").at("lines");
            for (CoveredLines* sum : {&folders[folder], &all}) {
                sum->lines += lines.at("count").get<std::uint64_t>();
                sum->covered += lines.at("covered").get<std::uint64_t>();
            }
            folders[folder].folder = folder;
        }
        std::vector<CoveredLines> result;
        for (const auto& [name, lines] : folders)
            result.push_back(lines);
        result.push_back(all);
        return result;
    } catch (const Json::exception& error) {
        throw Failure(std::string("llvm-cov exported something else than was expected: ") + error.what());
    }
}

std::vector<LeftOut> find_left_out(std::string_view json, const std::string& source) {
    try {
        std::set<fs::path> tested;
        for (const Json& file : files_of(json))
            tested.insert(fs::path(file.at("filename").get<std::string>()).lexically_normal());
        std::map<std::string, LeftOut> folders;
        for (const std::string_view top : product) {
            if (!fs::is_directory(fs::path(source) / top))
                continue;
            for (const auto& entry : fs::recursive_directory_iterator(fs::path(source) / top)) {
                if (entry.path().extension() != ".cpp" || tested.contains(entry.path().lexically_normal()))
                    continue;
                const std::string folder = entry.path().parent_path().lexically_relative(source).string();
                LeftOut& one = folders[folder];
                one.folder = folder;
                one.lines += count_code_lines(entry.path());
                one.files.push_back(entry.path().filename().string());
            }
        }
        std::vector<LeftOut> result;
        for (auto& [name, one] : folders) {
            std::ranges::sort(one.files);
            result.push_back(std::move(one));
        }
        return result;
    } catch (const Json::exception& error) {
        throw Failure(std::string("llvm-cov exported something else than was expected: ") + error.what());
    }
}

void write_left_out(std::ostream& out, const std::vector<LeftOut>& folders) {
    std::uint64_t lines = 0;
    for (const LeftOut& one : folders)
        lines += one.lines;
    out << "Not in this table are " << lines
        << " lines that neither unit tests nor fuzz targets have: boots and tests of commands run them.\n";
    for (const LeftOut& one : folders) {
        out << "  " << one.folder << ", " << one.lines << " lines:";
        for (const std::string& file : one.files)
            out << ' ' << file;
        out << '\n';
    }
}

void write_coverage(std::ostream& out, const std::vector<CoveredLines>& folders) {
    out << std::left << std::setw(16) << "folder" << std::right << std::setw(8) << "lines" << std::setw(10) << "reached"
        << std::setw(9) << "%" << '\n';
    for (const CoveredLines& one : folders)
        out << std::left << std::setw(16) << one.folder << std::right << std::setw(8) << one.lines << std::setw(10)
            << one.covered << std::setw(9) << std::fixed << std::setprecision(1) << one.percent() << '\n';
}

} // namespace bulkhead::tools
