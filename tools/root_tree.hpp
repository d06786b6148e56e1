// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// A root file system in memory: what goes into a guest's initrd. Names come from archives that nobody trusts, and
// nothing is ever unpacked to a disk, so there is nothing outside that one of them could reach.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <string_view>

namespace bulkhead::tools {

/// Bytes that the files of a root file system may have together: an initrd is unpacked in a guest's memory.
inline constexpr std::uint64_t most_unpacked = std::uint64_t{8} << 30;
/// And each of them: a cpio archive has 32 bits for it.
inline constexpr std::uint64_t largest_in_initrd = 0xffff'ffff;

/// A file; names that are hard links of each other share one.
struct RootFile {
    std::uint32_t mode = 0; ///< type and permissions, as in struct stat
    std::uint32_t uid = 0;
    std::uint32_t gid = 0;
    std::uint32_t device_major = 0;
    std::uint32_t device_minor = 0;
    std::string contents{}; ///< of a symbolic link its target

    [[nodiscard]] bool is_folder() const { return (mode & 0170000) == 0040000; }
    [[nodiscard]] bool is_link() const { return (mode & 0170000) == 0120000; }
    [[nodiscard]] bool is_regular() const { return (mode & 0170000) == 0100000; }
};

class RootTree {
public:
    /// What follows belongs to the next layer: whiteouts in it hide what the layers before it brought.
    void begin_layer() { ++layer_; }

    /// Adds or replaces what has this name. A name is relative to the root, whatever it begins with; symbolic links in
    /// front of its last part are followed inside the tree, and folders that are missing are made. Throws Failure if
    /// the name is none: empty, or with "..".
    void add(std::string_view name, RootFile file);
    /// A further name for the regular file `target`. Throws Failure if there is none.
    void add_hard_link(std::string_view name, std::string_view target);
    /// Hides `name` and what is below it, of layers before this one; with `only_below` what is below it alone.
    void hide(std::string_view name, bool only_below);

    /// The file at the end of all symbolic links, or null.
    [[nodiscard]] const RootFile* find(std::string_view name) const;

    /// An initrd of all of it, the same bytes for the same tree. `mtime`: seconds since 1970, of every file.
    [[nodiscard]] std::string to_cpio(std::uint32_t mtime) const;

    [[nodiscard]] std::size_t size() const { return nodes_.size(); }

private:
    struct Node {
        std::shared_ptr<RootFile> file;
        unsigned layer = 0;
    };
    using Nodes = std::map<std::string, Node, std::less<>>;

    /// The name without links in front of its last part, or in all of it.
    [[nodiscard]] std::string resolve(std::string_view name, bool last_too) const;
    void make_parents(const std::string& path);
    void put(const std::string& path, std::shared_ptr<RootFile> file);
    void remove_below(const std::string& path, unsigned before_layer);

    Nodes nodes_; ///< by "a/b/c"; a folder comes before what is in it
    unsigned layer_ = 0;
};

/// A folder of this computer as it is: owners, permissions, links, devices. Sockets are left out. With `root_owns` all
/// of it belongs to root. Throws Failure if something cannot be read.
[[nodiscard]] RootTree read_root_folder(const std::filesystem::path& folder, bool root_owns);

} // namespace bulkhead::tools
