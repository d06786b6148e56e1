// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "tools/cpio_archive.hpp"

#include <array>
#include <cstdio>

namespace bulkhead::tools {

void CpioArchive::add(const CpioEntry& entry) {
    const std::array<std::size_t, 13> fields{entry.inode != 0 ? entry.inode : ++count_,
                                             entry.mode,
                                             entry.uid,
                                             entry.gid,
                                             entry.links,
                                             entry.mtime,
                                             entry.contents.size(),
                                             0,
                                             0,
                                             entry.device_major,
                                             entry.device_minor,
                                             entry.name.size() + 1,
                                             0};
    const auto pad = [this] { bytes_.append((4 - bytes_.size() % 4) % 4, '\0'); };
    bytes_ += "070701";
    for (const std::size_t field : fields) {
        std::array<char, 9> digits{};
        std::snprintf(digits.data(), digits.size(), "%08zx", field);
        bytes_ += digits.data();
    }
    bytes_.append(entry.name).push_back('\0');
    pad();
    bytes_ += entry.contents;
    pad();
}

const std::string& CpioArchive::finish() {
    add({.name = std::string(trailer)});
    return bytes_;
}

} // namespace bulkhead::tools
