// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#pragma once

#include <string_view>

#include "base/result.hpp"
#include "config/diagnostics.hpp"
#include "config/model.hpp"

namespace bulkhead {

/// The folder that a configuration lies in: the boot volume for the loader, a directory for the host command.
class Files {
public:
    /// The error of size() where there is nothing of that name, and nothing else is wrong.
    static constexpr char not_there[] = "there is no such file";

    /// Bytes of a regular file. `path` is relative, with '/' or '\' between its parts. Fails with a sentence that says
    /// why it cannot be read, such as "there is no such file".
    [[nodiscard]] virtual Result<u64> size(std::string_view path) = 0;

protected:
    ~Files() = default;
};

/// Reports files that are missing, that are empty, or that are larger than their guest's memory.
void check_files(const Configuration& configuration, Files& files, Diagnostics& diagnostics);

} // namespace bulkhead
