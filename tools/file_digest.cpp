// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "tools/file_digest.hpp"

#include <array>
#include <fstream>

#include "config/sha256.hpp"
#include "tools/failure.hpp"

namespace bulkhead::tools {

std::string sha256_of_file(const std::filesystem::path& path) {
    std::ifstream file(path, std::ios::binary);
    std::array<char, 65536> piece{};
    Sha256 hash;
    while (file) {
        file.read(piece.data(), piece.size());
        hash.add({reinterpret_cast<const u8*>(piece.data()), static_cast<std::size_t>(file.gcount())});
    }
    if (!file.eof())
        throw Failure("cannot read '" + path.string() + "'");
    Line<80> line;
    line << hash.finish();
    return std::string(line.view());
}

} // namespace bulkhead::tools
