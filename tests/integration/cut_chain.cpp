// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "integration/cut_chain.hpp"

#include <array>
#include <fstream>
#include <regex>

#include "base/types.hpp"
#include "tools/failure.hpp"
#include "tools/process.hpp"

namespace bulkhead::integration {
namespace {

constexpr u64 partition = 1 << 20;

u32 number_at(const std::array<char, 64>& bytes, std::size_t place, unsigned size) {
    u32 value = 0;
    for (unsigned i = 0; i < size; ++i)
        value |= u32{static_cast<unsigned char>(bytes[place + i])} << 8 * i;
    return value;
}

u64 first_cluster(const std::filesystem::path& image, const std::string& file) {
    const tools::Outcome map =
        tools::run({"mshowfat", "-i", image.string() + "@@" + std::to_string(partition), "::/bulkhead/" + file},
                   {"MTOOLSRC=/dev/null", "MTOOLS_SKIP_CHECK=1", "LC_ALL=C.UTF-8"});
    std::smatch match;
    if (!std::regex_search(map.output, match, std::regex("<(\\d+)")))
        throw tools::Failure("mshowfat: " + map.output);
    return std::stoull(match[1]);
}

} // namespace

/// Microsoft's "FAT32 File System Specification" 1.03: the boot sector, and a table's entries of 4 bytes.
void cut_chain(const std::filesystem::path& image, const std::string& file) {
    const u64 cluster = first_cluster(image, file);
    std::fstream disk(image, std::ios::binary | std::ios::in | std::ios::out);
    std::array<char, 64> boot{};
    disk.seekg(partition).read(boot.data(), boot.size());
    const u64 sector = number_at(boot, 11, 2), reserved = number_at(boot, 14, 2), tables = number_at(boot, 16, 1),
              size = number_at(boot, 36, 4);
    constexpr std::array<char, 4> end{'\xff', '\xff', '\xff', '\x0f'};
    for (u64 i = 0; i < tables; ++i)
        disk.seekp(static_cast<std::streamoff>(partition + (reserved + i * size) * sector + 4 * cluster))
            .write(end.data(), end.size());
    if (!disk.flush())
        throw tools::Failure("cannot damage " + image.string());
}

} // namespace bulkhead::integration
