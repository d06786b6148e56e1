// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

namespace bulkhead::tools {

/// A cpio archive in the "newc" format, as Linux unpacks it at boot (Documentation/driver-api/early-userspace/
/// buffer-format.rst in Linux' sources). Everything in it belongs to root.
class CpioArchive {
public:
    void add_folder(std::string_view name) { add(name, 0040755, ""); }
    void add_program(std::string_view name, std::string_view contents) { add(name, 0100755, contents); }
    /// Writes the archive, with its trailer.
    void write(const std::filesystem::path& file);

private:
    void add(std::string_view name, unsigned mode, std::string_view contents);

    std::string bytes_;
    unsigned count_ = 0;
};

/// Writes the demo's initial file system: the toolbox's busybox and guests/linux-demo/init.
void write_demo_initramfs(const std::filesystem::path& file);

} // namespace bulkhead::tools
