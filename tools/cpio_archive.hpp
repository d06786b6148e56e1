// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace bulkhead::tools {

/// What one name in an archive is.
struct CpioEntry {
    std::string name; ///< without a slash at its beginning
    std::uint32_t mode = 0;
    std::uint32_t uid = 0;
    std::uint32_t gid = 0;
    std::uint32_t links = 1;
    std::uint32_t inode = 0; ///< the same for names of one file; 0: one of its own
    std::uint32_t mtime = 0;
    std::uint32_t device_major = 0;
    std::uint32_t device_minor = 0;
    /// Less than 4 GiB; of a symbolic link its target; of a file with several names with one of them.
    std::string_view contents{};
};

/// A cpio archive in the "newc" format, as Linux unpacks it at boot (Documentation/driver-api/early-userspace/
/// buffer-format.rst in Linux' sources).
class CpioArchive {
public:
    /// The name that ends an archive: no file may have it.
    static constexpr std::string_view trailer = "TRAILER!!!";

    /// These two belong to root.
    void add_folder(std::string_view name) { add({.name = std::string(name), .mode = 0040755}); }
    void add_program(std::string_view name, std::string_view contents) {
        add({.name = std::string(name), .mode = 0100755, .contents = contents});
    }
    void add(const CpioEntry& entry);
    /// The archive with its trailer. Nothing can be added after.
    [[nodiscard]] const std::string& finish();

private:
    std::string bytes_;
    std::uint32_t count_ = 0;
};

} // namespace bulkhead::tools
