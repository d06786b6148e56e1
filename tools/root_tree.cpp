// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "tools/root_tree.hpp"

#include <algorithm>
#include <vector>

#include "tools/cpio_archive.hpp"
#include "tools/failure.hpp"

namespace bulkhead::tools {
namespace {

constexpr unsigned most_links = 40; // as Linux follows

/// The parts of a name; those that say nothing are left out.
std::vector<std::string> parts_of(std::string_view name) {
    std::vector<std::string> parts;
    while (!name.empty()) {
        const std::string_view part = name.substr(0, name.find('/'));
        name.remove_prefix(std::min(name.size(), part.size() + 1));
        if (!part.empty() && part != ".")
            parts.emplace_back(part);
    }
    return parts;
}

std::string joined(const std::string& folder, const std::string& part) {
    return folder.empty() ? part : folder + '/' + part;
}

std::string parent_of(const std::string& path) {
    const std::size_t slash = path.rfind('/');
    return slash == std::string::npos ? std::string() : path.substr(0, slash);
}

void refuse_leaving(std::string_view name) {
    if (name.find('\0') != std::string_view::npos)
        throw Failure("a file's name has a zero in it");
    const std::vector<std::string> parts = parts_of(name);
    if (std::ranges::find(parts, "..") != parts.end())
        throw Failure("the file name '" + std::string(name) + "' leaves the root file system");
}

} // namespace

std::string RootTree::resolve(std::string_view name, bool last_too) const {
    std::vector<std::string> todo = parts_of(name);
    std::ranges::reverse(todo);
    std::string path;
    unsigned links = 0;
    while (!todo.empty()) {
        const std::string part = todo.back();
        todo.pop_back();
        if (part == "..") { // of a link's target: at the root it stays there
            path = parent_of(path);
            continue;
        }
        const std::string next = joined(path, part);
        const auto found = nodes_.find(next);
        if (found == nodes_.end() || !found->second.file->is_link() || (todo.empty() && !last_too)) {
            path = next;
            continue;
        }
        if (++links > most_links)
            throw Failure("too many symbolic links on the way to '" + std::string(name) + "'");
        const std::string& target = found->second.file->contents;
        if (target.starts_with('/'))
            path.clear();
        std::vector<std::string> further = parts_of(target);
        todo.insert(todo.end(), further.rbegin(), further.rend());
    }
    return path;
}

void RootTree::remove_below(const std::string& path, unsigned before_layer) {
    const std::string prefix = path.empty() ? path : path + '/';
    for (auto node = nodes_.lower_bound(prefix); node != nodes_.end() && node->first.starts_with(prefix);)
        node = node->second.layer < before_layer ? nodes_.erase(node) : std::next(node);
    // A folder that still has something in it stays.
    std::vector<std::string> rest;
    for (auto node = nodes_.lower_bound(prefix); node != nodes_.end() && node->first.starts_with(prefix); ++node)
        rest.push_back(node->first);
    for (const std::string& name : rest)
        make_parents(name);
}

void RootTree::make_parents(const std::string& path) {
    const std::string parent = parent_of(path);
    if (parent.empty())
        return;
    make_parents(parent);
    const auto found = nodes_.find(parent);
    if (found == nodes_.end())
        nodes_[parent] = {std::make_shared<RootFile>(RootFile{.mode = 0040755}), layer_};
    else if (!found->second.file->is_folder())
        throw Failure("'" + path + "' is in something that is no folder");
}

void RootTree::put(const std::string& path, std::shared_ptr<RootFile> file) {
    if (path.empty())
        return; // the root itself, which the kernel makes
    make_parents(path);
    const auto found = nodes_.find(path);
    if (found != nodes_.end() && found->second.file->is_folder() && !file->is_folder())
        remove_below(path, ~0u);
    nodes_[path] = {std::move(file), layer_};
}

void RootTree::add(std::string_view name, RootFile file) {
    refuse_leaving(name);
    put(resolve(name, false), std::make_shared<RootFile>(std::move(file)));
}

void RootTree::add_hard_link(std::string_view name, std::string_view target) {
    refuse_leaving(name);
    refuse_leaving(target);
    const auto found = nodes_.find(resolve(target, false));
    if (found == nodes_.end() || found->second.file->is_folder())
        throw Failure("'" + std::string(name) + "' is a hard link of '" + std::string(target) +
                      "', which is no file that there is");
    put(resolve(name, false), std::shared_ptr<RootFile>(found->second.file));
}

void RootTree::hide(std::string_view name, bool only_below) {
    refuse_leaving(name);
    const std::string path = resolve(name, only_below);
    const auto found = nodes_.find(path);
    if (!only_below && found != nodes_.end() && found->second.layer < layer_)
        nodes_.erase(found);
    remove_below(path, layer_);
}

const RootFile* RootTree::find(std::string_view name) const {
    const auto found = nodes_.find(resolve(name, true));
    return found == nodes_.end() ? nullptr : found->second.file.get();
}

std::string RootTree::to_cpio(std::uint32_t mtime) const {
    std::map<const RootFile*, std::uint32_t> names;
    for (const auto& [name, node] : nodes_)
        ++names[node.file.get()];
    auto names_left = names;
    std::map<const RootFile*, std::uint32_t> inodes;
    CpioArchive archive;
    archive.add({.name = ".", .mode = 0040755, .mtime = mtime}); // the root, which Linux else makes writable for all
    for (const auto& [name, node] : nodes_) {
        const RootFile& file = *node.file;
        const std::uint32_t left = names_left[&file]--;
        const auto inode = inodes.try_emplace(&file, static_cast<std::uint32_t>(inodes.size() + 1)).first;
        const bool has_contents = file.is_link() || (file.is_regular() && left == 1); // the last name
        if (file.contents.size() > largest_in_initrd)
            throw Failure("'" + name + "' has 4 GiB or more, which an initrd cannot hold");
        archive.add({.name = name == CpioArchive::trailer ? "./" + name : name, // which is no end to Linux
                     .mode = file.mode,
                     .uid = file.uid,
                     .gid = file.gid,
                     .links = names[&file],
                     .inode = inode->second,
                     .mtime = mtime,
                     .device_major = file.device_major,
                     .device_minor = file.device_minor,
                     .contents = has_contents ? std::string_view(file.contents) : std::string_view()});
    }
    return archive.finish();
}

} // namespace bulkhead::tools
