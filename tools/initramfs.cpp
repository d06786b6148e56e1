// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "tools/initramfs.hpp"

#include <array>
#include <cstdio>
#include <fstream>
#include <iterator>

#include "tools/failure.hpp"
#include "tools/folders.hpp"

namespace bulkhead::tools {
namespace {

std::string read_file(const std::filesystem::path& path) {
    std::ifstream file(path, std::ios::binary);
    if (!file)
        throw Failure("cannot read " + path.string());
    return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

} // namespace

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

void CpioArchive::write(const std::filesystem::path& file) {
    add("TRAILER!!!", 0, "");
    std::ofstream out(file, std::ios::binary);
    out << bytes_ << std::flush;
    if (!out)
        throw Failure("cannot write " + file.string());
}

void write_demo_initramfs(const std::filesystem::path& file) {
    CpioArchive archive;
    for (const std::string_view folder : {"bin", "dev", "proc", "sys", "tmp"})
        archive.add_folder(folder);
    archive.add_program("bin/busybox", read_file(toolbox_folder() / "usr/bin/busybox"));
    archive.add_program("init", read_file(source_folder() / "guests/linux-demo/init"));
    archive.write(file);
}

} // namespace bulkhead::tools
