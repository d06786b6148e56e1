// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include <filesystem>
#include <iomanip>
#include <map>
#include <nlohmann/json.hpp>
#include <ostream>

#include "tools/coverage.hpp"
#include "tools/failure.hpp"

namespace bulkhead::tools {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

} // namespace

double CoveredLines::percent() const {
    return lines == 0 ? 100 : 100 * static_cast<double>(covered) / static_cast<double>(lines);
}

std::vector<CoveredLines> read_coverage(std::string_view json, const std::string& source) {
    try {
        std::map<std::string, CoveredLines> folders;
        CoveredLines all{.folder = "together"};
        for (const Json& file : Json::parse(json).at("data").at(0).at("files")) {
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

void write_coverage(std::ostream& out, const std::vector<CoveredLines>& folders) {
    out << std::left << std::setw(16) << "folder" << std::right << std::setw(8) << "lines" << std::setw(10) << "reached"
        << std::setw(9) << "%" << '\n';
    for (const CoveredLines& one : folders)
        out << std::left << std::setw(16) << one.folder << std::right << std::setw(8) << one.lines << std::setw(10)
            << one.covered << std::setw(9) << std::fixed << std::setprecision(1) << one.percent() << '\n';
}

} // namespace bulkhead::tools
