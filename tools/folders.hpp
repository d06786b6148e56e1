// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// Where the host command finds what the build and the set-up made.
#pragma once

#include <filesystem>
#include <string_view>

#include "tools/process.hpp"

namespace bulkhead::tools {

[[nodiscard]] std::filesystem::path build_folder();
[[nodiscard]] std::filesystem::path source_folder();

/// Unpacked packages of Debian 13: what tools/setup.sh makes. Throws Failure if there is none.
[[nodiscard]] std::filesystem::path toolbox_folder();

/// The stock cloud kernel of a Debian release ("bookworm", "trixie"). Throws Failure if there is none.
[[nodiscard]] std::filesystem::path stock_kernel(std::string_view release);

/// A new folder that is removed with its owner.
class TemporaryFolder {
public:
    TemporaryFolder();
    TemporaryFolder(const TemporaryFolder&) = delete;
    TemporaryFolder& operator=(const TemporaryFolder&) = delete;
    ~TemporaryFolder();

    [[nodiscard]] const std::filesystem::path& path() const { return path_; }

private:
    std::filesystem::path path_;
};

/// A folder for results that stay, which is nobody else's meanwhile: made where there is none. Throws Failure if another
/// run has it.
class ResultFolder {
public:
    explicit ResultFolder(std::filesystem::path path);

    [[nodiscard]] const std::filesystem::path& path() const { return path_; }

private:
    std::filesystem::path path_;
    Descriptor lock_;
};

} // namespace bulkhead::tools
