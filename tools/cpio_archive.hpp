// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#pragma once

#include <string>
#include <string_view>

namespace bulkhead::tools {

/// A cpio archive in the "newc" format, as Linux unpacks it at boot (Documentation/driver-api/early-userspace/
/// buffer-format.rst in Linux' sources). Everything in it belongs to root.
class CpioArchive {
public:
    void add_folder(std::string_view name) { add(name, 0040755, ""); }
    void add_program(std::string_view name, std::string_view contents) { add(name, 0100755, contents); }
    /// The archive with its trailer. Nothing can be added after.
    [[nodiscard]] const std::string& finish();

private:
    void add(std::string_view name, unsigned mode, std::string_view contents);

    std::string bytes_;
    unsigned count_ = 0;
};

} // namespace bulkhead::tools
