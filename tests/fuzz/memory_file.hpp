// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// A file for what wants the name of one, in memory.
#pragma once

#include <filesystem>
#include <sys/mman.h>
#include <unistd.h>

#include "fuzz/fuzz.hpp"

namespace bulkhead::fuzz {

class MemoryFile {
public:
    explicit MemoryFile(Bytes contents) : descriptor_(memfd_create("input", MFD_CLOEXEC)) {
        require(descriptor_ >= 0 &&
                    ::write(descriptor_, contents.data(), contents.size()) == static_cast<ssize_t>(contents.size()),
                "there is no file in memory");
    }
    MemoryFile(const MemoryFile&) = delete;
    MemoryFile& operator=(const MemoryFile&) = delete;
    ~MemoryFile() { close(descriptor_); }

    [[nodiscard]] std::filesystem::path path() const { return "/proc/self/fd/" + std::to_string(descriptor_); }

private:
    int descriptor_;
};

} // namespace bulkhead::fuzz
