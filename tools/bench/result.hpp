// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "tools/bench/figure.hpp"

namespace bulkhead::tools {

/// What one run measured: a file of JSON, as bench/ has one of each release and machine.
struct BenchResult {
    std::string version; ///< of the hypervisor
    std::string machine; ///< as name_of() says it
    std::vector<Figure> figures;
};

[[nodiscard]] std::string to_json(const BenchResult& result);
/// Throws Failure, with the file's name, where it is none.
[[nodiscard]] BenchResult read_result(const std::filesystem::path& file);

/// That of the latest release in `folder` for `machine`: VERSION-MACHINE.json.
[[nodiscard]] std::optional<BenchResult> latest_result(const std::filesystem::path& folder, std::string_view machine);

/// The table: value, budget, what changed since `earlier`, and what peers take. For people.
[[nodiscard]] std::string to_text(const BenchResult& result, const std::optional<BenchResult>& earlier);

/// The figures that peers have, too, as bars of logarithmic length.
[[nodiscard]] std::string to_svg(const BenchResult& result);

} // namespace bulkhead::tools
