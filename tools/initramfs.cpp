// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "tools/initramfs.hpp"

#include <fstream>
#include <iterator>
#include <string>

#include "tools/cpio_archive.hpp"
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

void write_demo_initramfs(const std::filesystem::path& file) {
    CpioArchive archive;
    for (const std::string_view folder : {"bin", "dev", "proc", "sys", "tmp"})
        archive.add_folder(folder);
    archive.add_program("bin/busybox", read_file(toolbox_folder() / "usr/bin/busybox"));
    archive.add_program("init", read_file(source_folder() / "guests/linux-demo/init"));
    std::ofstream out(file, std::ios::binary);
    out << archive.finish() << std::flush;
    if (!out)
        throw Failure("cannot write " + file.string());
}

} // namespace bulkhead::tools
