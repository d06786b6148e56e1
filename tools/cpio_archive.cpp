// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "tools/cpio_archive.hpp"

#include <array>
#include <cstdio>

namespace bulkhead::tools {

void CpioArchive::add(std::string_view name, unsigned mode, std::string_view contents) {
    const unsigned links = 1;
    const std::array<std::size_t, 13> fields{++count_, mode, 0, 0, links,           0, contents.size(),
                                             0,        0,    0, 0, name.size() + 1, 0};
    const auto pad = [this] { bytes_.append((4 - bytes_.size() % 4) % 4, '\0'); };
    bytes_ += "070701";
    for (const std::size_t field : fields) {
        std::array<char, 9> digits{};
        std::snprintf(digits.data(), digits.size(), "%08zx", field);
        bytes_ += digits.data();
    }
    bytes_.append(name).push_back('\0');
    pad();
    bytes_ += contents;
    pad();
}

const std::string& CpioArchive::finish() {
    add("TRAILER!!!", 0, "");
    return bytes_;
}

} // namespace bulkhead::tools
