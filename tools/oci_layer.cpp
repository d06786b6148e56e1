// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include <algorithm>
#include <archive.h>
#include <archive_entry.h>
#include <array>
#include <clocale>
#include <memory>

#include "tools/failure.hpp"
#include "tools/oci_image.hpp"

namespace bulkhead::tools {
namespace {

constexpr std::string_view whiteout_prefix = ".wh.";
constexpr std::string_view opaque_whiteout = ".wh..wh..opq";

struct CloseArchive {
    void operator()(archive* reader) const { archive_read_free(reader); }
};
using Reader = std::unique_ptr<archive, CloseArchive>;

std::string text_of(const char* text) { return text == nullptr ? std::string() : std::string(text); }

/// What an entry costs beside its contents and its name.
constexpr std::uint64_t entry_size = 512;

/// A few bytes may unpack to any number.
void take_room(std::uint64_t& room, std::uint64_t bytes, const std::string& what) {
    if (bytes > room)
        throw Failure(what + " unpacks to more than an image may have");
    room -= bytes;
}

/// `size_of_file`: with the holes of a sparse file, also those behind its last byte that is not one.
std::string contents_of(archive* reader, std::int64_t size_of_file, const std::string& what, std::uint64_t& room) {
    std::string contents;
    std::array<char, 65536> piece{};
    la_ssize_t size = 0;
    while ((size = archive_read_data(reader, piece.data(), piece.size())) > 0) {
        take_room(room, static_cast<std::uint64_t>(size), what);
        contents.append(piece.data(), static_cast<std::size_t>(size));
    }
    if (size < 0)
        throw Failure("cannot read " + what + ": " + text_of(archive_error_string(reader)));
    if (const auto whole = static_cast<std::uint64_t>(std::max<std::int64_t>(size_of_file, 0));
        whole > contents.size()) {
        take_room(room, whole - contents.size(), what);
        contents.resize(whole, '\0');
    }
    return contents;
}

/// True if the entry is a whiteout, which is done then.
bool take_whiteout(RootTree& root, const std::string& name) {
    const std::size_t slash = name.rfind('/');
    const std::string folder = slash == std::string::npos ? std::string() : name.substr(0, slash);
    const std::string last = slash == std::string::npos ? name : name.substr(slash + 1);
    if (last == opaque_whiteout)
        root.hide(folder, true);
    else if (const std::string hidden = last.substr(std::min(whiteout_prefix.size(), last.size()));
             !last.starts_with(whiteout_prefix) || hidden.empty())
        return false;
    else if (hidden != ".") // which is the folder itself
        root.hide(folder + '/' + hidden, false);
    return true;
}

void take_entry(RootTree& root, archive* reader, archive_entry* entry, const std::string& what, std::uint64_t& room) {
    const std::string name = text_of(archive_entry_pathname(entry));
    if (name.empty())
        throw Failure(what + " has a name that cannot be read");
    take_room(room, entry_size + name.size(), what);
    if (take_whiteout(root, name))
        return;
    if (const char* target = archive_entry_hardlink(entry); target != nullptr)
        return root.add_hard_link(name, target);
    const mode_t type = archive_entry_filetype(entry);
    if (type == AE_IFSOCK)
        return;
    const bool is_link = type == AE_IFLNK;
    root.add(name, {.mode = type | archive_entry_perm(entry),
                    .uid = static_cast<std::uint32_t>(archive_entry_uid(entry)),
                    .gid = static_cast<std::uint32_t>(archive_entry_gid(entry)),
                    .device_major = static_cast<std::uint32_t>(archive_entry_rdevmajor(entry)),
                    .device_minor = static_cast<std::uint32_t>(archive_entry_rdevminor(entry)),
                    .contents = is_link ? text_of(archive_entry_symlink(entry))
                                        : contents_of(reader, archive_entry_size(entry), what, room)});
}

} // namespace

void add_layer(RootTree& root, const std::filesystem::path& file, const std::string& what, std::uint64_t& room) {
    std::setlocale(LC_CTYPE, "C.UTF-8"); // names are; libarchive converts them to the locale
    const Reader reader(archive_read_new());
    // Media types of the OCI image specification, and unpacked by libarchive itself: for others it starts programs.
    if (archive_read_support_filter_gzip(reader.get()) != ARCHIVE_OK ||
        archive_read_support_filter_zstd(reader.get()) != ARCHIVE_OK)
        throw Failure("this computer's libarchive was built without gzip or zstd");
    archive_read_support_format_tar(reader.get());
    constexpr std::size_t block = 65536;
    if (archive_read_open_filename(reader.get(), file.c_str(), block) != ARCHIVE_OK)
        throw Failure("cannot read " + what + ": " + text_of(archive_error_string(reader.get())) +
                      " (a layer is a tar archive, plain or compressed by gzip or zstd)");
    root.begin_layer();
    while (true) {
        archive_entry* entry = nullptr;
        const int result = archive_read_next_header(reader.get(), &entry);
        if (result == ARCHIVE_EOF)
            return;
        // A warning is about what is beside a file: a time that there is not, or a name in no known character set.
        if (result < ARCHIVE_WARN)
            throw Failure("cannot read " + what + ": " + text_of(archive_error_string(reader.get())));
        take_entry(root, reader.get(), entry, what, room);
    }
}

} // namespace bulkhead::tools
