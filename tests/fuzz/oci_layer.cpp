// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// Any file as a layer of a container image: it is refused, or what becomes of it is an archive whose names are inside,
// each once, behind that of their folder.
#include <archive.h>
#include <archive_entry.h>
#include <set>

#include "fuzz/memory_file.hpp"
#include "tools/failure.hpp"
#include "tools/linux_guest.hpp"
#include "tools/oci_image.hpp"

namespace bulkhead {
namespace {

using fuzz::require;

/// Walks an archive as Linux does (init/initramfs.c). Returns the names.
std::vector<std::string> names_in(std::string_view cpio) {
    std::vector<std::string> names;
    for (std::size_t at = 0; at < cpio.size();) {
        require(cpio.substr(at, 6) == "070701" && cpio.size() - at >= 110, "no header");
        const auto field = [&](std::size_t i) {
            return std::stoul(std::string(cpio.substr(at + 6 + 8 * i, 8)), nullptr, 16);
        };
        const std::size_t name_size = field(11), size = field(6);
        require(name_size != 0 && at + 110 + name_size <= cpio.size(), "a name beyond the end");
        names.emplace_back(cpio.substr(at + 110, name_size - 1));
        const std::size_t contents = (at + 110 + name_size + 3) & ~std::size_t{3};
        require(contents + size <= cpio.size(), "contents beyond the end");
        at = (contents + size + 3) & ~std::size_t{3};
        if (names.back() == "TRAILER!!!") {
            require(at == cpio.size(), "something behind the trailer");
            names.pop_back();
            return names;
        }
    }
    fuzz::fail("no trailer");
}

void check_names(const std::vector<std::string>& names) {
    std::set<std::string> seen;
    for (const std::string& name : names) {
        require(!name.empty() && name.front() != '/' && name.find('\0') == std::string::npos, "no name");
        require(("/" + name + "/").find("/../") == std::string::npos, "a name that leaves the root");
        require(seen.insert(name).second, "a name twice");
        const std::size_t slash = name.rfind('/');
        require(slash == std::string::npos || seen.contains(name.substr(0, slash)), "a name before its folder's");
    }
}

} // namespace

void fuzz::try_input(Bytes input) {
    tools::RootTree root;
    Reader reader(input);
    try {
        // Two layers, as whiteouts are about another's names.
        const MemoryFile lower(reader.bytes(reader.take<u16>())), upper(reader.rest());
        std::uint64_t room = MiB;
        tools::add_layer(root, lower.path(), "a layer", room);
        tools::add_layer(root, upper.path(), "a layer", room);
    } catch (const tools::Failure&) {
    }
    try {
        check_names(names_in(root.to_cpio(0)));
        static_cast<void>(tools::find_user(root, "app"));
    } catch (const tools::Failure&) {
    }
}

std::vector<fuzz::Seed> fuzz::seeds() {
    const auto layer = [](const std::vector<std::pair<std::string, std::string>>& entries, bool compressed) {
        std::vector<u8> bytes(1 << 16);
        std::size_t used = 0;
        archive* writer = archive_write_new();
        archive_write_set_format_ustar(writer);
        if (compressed)
            archive_write_add_filter_gzip(writer);
        archive_write_set_bytes_in_last_block(writer, 1);
        archive_write_open_memory(writer, bytes.data(), bytes.size(), &used);
        for (const auto& [name, text] : entries) {
            archive_entry* entry = archive_entry_new();
            archive_entry_set_pathname(entry, name.c_str());
            archive_entry_set_mode(entry, name.ends_with('/') ? 0040755 : 0100644);
            archive_entry_set_size(entry, static_cast<la_int64_t>(text.size()));
            if (text.starts_with("-> ")) {
                archive_entry_set_mode(entry, 0120777);
                archive_entry_set_symlink(entry, text.c_str() + 3);
                archive_entry_set_size(entry, 0);
            } else if (text.starts_with("=> ")) {
                archive_entry_set_hardlink(entry, text.c_str() + 3);
                archive_entry_set_size(entry, 0);
            }
            archive_write_header(writer, entry);
            archive_write_data(writer, text.data(), text.size());
            archive_entry_free(entry);
        }
        archive_write_free(writer);
        bytes.resize(used);
        return bytes;
    };
    const auto lower =
        layer({{"etc/", ""}, {"etc/passwd", "app:x:1:1::/:\n"}, {"a", "=> etc/passwd"}, {"l", "-> etc"}}, false);
    const auto upper = layer({{"l/b", "2"}, {"etc/.wh.passwd", ""}, {".wh..wh..opq", ""}}, false);
    const auto packed = layer({{"x/y/z", "deep"}, {"up", "-> ../.."}, {"up/here", "1"}}, true);
    return {Writer().number(lower.size(), 2).bytes(lower).bytes(upper).seed(),
            Writer().number(packed.size(), 2).bytes(packed).bytes(upper).seed()};
}

} // namespace bulkhead
