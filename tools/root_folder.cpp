// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "tools/failure.hpp"
#include "tools/root_tree.hpp"

namespace bulkhead::tools {
namespace {

struct stat status_of(const std::filesystem::path& path) {
    struct stat status{};
    if (lstat(path.c_str(), &status) != 0)
        throw Failure("cannot read '" + path.string() + "': " + std::strerror(errno));
    return status;
}

std::string contents_of(const std::filesystem::path& path, mode_t mode) {
    if (S_ISLNK(mode))
        return std::filesystem::read_symlink(path).string();
    if (!S_ISREG(mode))
        return {};
    std::ifstream file(path, std::ios::binary);
    if (!file)
        throw Failure("cannot read '" + path.string() + "': " + std::strerror(errno));
    return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

} // namespace

RootTree read_root_folder(const std::filesystem::path& folder, bool root_owns) {
    if (!std::filesystem::is_directory(folder))
        throw Failure("'" + folder.string() + "' is no folder");
    RootTree tree;
    std::map<std::pair<dev_t, ino_t>, std::string> first_names;
    std::uint64_t room = most_unpacked;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
        const struct stat status = status_of(entry.path());
        const std::string name = entry.path().lexically_relative(folder).string();
        if (S_ISSOCK(status.st_mode))
            continue;
        if (!S_ISDIR(status.st_mode) && status.st_nlink > 1) {
            const auto [first, is_new] = first_names.try_emplace({status.st_dev, status.st_ino}, name);
            if (!is_new) {
                tree.add_hard_link(name, first->second);
                continue;
            }
        }
        if (S_ISREG(status.st_mode)) { // before it is read: it may be mostly holes
            const auto size = static_cast<std::uint64_t>(status.st_size);
            if (size > largest_in_initrd)
                throw Failure("'" + entry.path().string() + "' has 4 GiB or more, which an initrd cannot hold");
            if (size > room)
                throw Failure("'" + folder.string() + "' has more than " + std::to_string(most_unpacked >> 30) +
                              " GiB in its files, which is too much for an initrd");
            room -= size;
        }
        tree.add(name, {.mode = status.st_mode,
                        .uid = root_owns ? 0 : status.st_uid,
                        .gid = root_owns ? 0 : status.st_gid,
                        .device_major = major(status.st_rdev),
                        .device_minor = minor(status.st_rdev),
                        .contents = contents_of(entry.path(), status.st_mode)});
    }
    return tree;
}

} // namespace bulkhead::tools
