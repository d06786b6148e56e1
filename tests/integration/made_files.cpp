// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "integration/made_files.hpp"

#include <archive.h>
#include <archive_entry.h>
#include <array>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <iterator>

#include "tools/failure.hpp"
#include "tools/folders.hpp"
#include "tools/linux_guest.hpp"
#include "tools/process.hpp"

namespace bulkhead::integration {
namespace {

std::filesystem::path made(const std::string& name) { return tools::build_folder() / "integration" / name; }

void appear(const std::filesystem::path& from, const std::filesystem::path& to) {
    const std::filesystem::path beside = to.string() + "." + from.parent_path().filename().string();
    std::filesystem::copy_file(from, beside, std::filesystem::copy_options::overwrite_existing);
    std::filesystem::rename(beside, to);
}

/// What the bzImage unpacks (Documentation/arch/x86/boot.rst: payload_offset).
std::string payload_of(const std::filesystem::path& kernel) {
    std::ifstream file(kernel, std::ios::binary);
    const std::string bytes(std::istreambuf_iterator<char>(file), {});
    if (bytes.size() < 0x250)
        throw tools::Failure("there is no kernel " + kernel.string());
    std::array<std::uint32_t, 2> place{}; // offset and length
    std::memcpy(place.data(), bytes.data() + 0x248, sizeof place);
    const std::size_t setup = (static_cast<std::size_t>(static_cast<unsigned char>(bytes[0x1f1])) + 1) * 512;
    return bytes.substr(setup + place[0], place[1]);
}

std::string unpacked(const std::string& compressed) {
    archive* reader = archive_read_new();
    archive_read_support_filter_all(reader);
    archive_read_support_format_raw(reader);
    archive_entry* entry = nullptr;
    std::string bytes;
    if (archive_read_open_memory(reader, compressed.data(), compressed.size()) == ARCHIVE_OK &&
        archive_read_next_header(reader, &entry) == ARCHIVE_OK) {
        std::array<char, 65536> piece{};
        for (la_ssize_t size = 0; (size = archive_read_data(reader, piece.data(), piece.size())) > 0;)
            bytes.append(piece.data(), static_cast<std::size_t>(size));
    }
    archive_read_free(reader);
    return bytes;
}

} // namespace

tools::ImageFile container_initrd() { return {"container", made("container-initrd")}; }

void make_container_initrd() {
    const tools::TemporaryFolder folder;
    tools::run_or_throw({tools::source_folder() / "tests/integration/oci_layout.sh", folder.path() / "image",
                         tools::toolbox_folder() / "usr/bin/busybox"});
    tools::make_linux_guest({.name = "container",
                             .kernel = tools::stock_kernel("trixie"),
                             .oci = folder.path() / "image",
                             .output = folder.path()});
    appear(folder.path() / "container-initrd", container_initrd().source);
}

tools::ImageFile debian_elf() { return {"vmlinux", made("vmlinux")}; }

void make_debian_elf() {
    const tools::TemporaryFolder folder;
    std::ofstream(folder.path() / "vmlinux", std::ios::binary) << unpacked(payload_of(tools::stock_kernel("trixie")));
    appear(folder.path() / "vmlinux", debian_elf().source);
}

} // namespace bulkhead::integration
