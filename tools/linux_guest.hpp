// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// Makes a guest out of a kernel and a root file system: the files, and their lines for a configuration.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "tools/oci_image.hpp"

namespace bulkhead::tools {

struct LinuxGuest {
    std::string name{};
    std::filesystem::path kernel{};
    std::filesystem::path folder{};     ///< of the root file system; or
    std::filesystem::path oci{};        ///< of an OCI image layout
    std::string tag{};                  ///< of the image; "": the only one
    std::filesystem::path output{};     ///< folder for what is made
    std::vector<std::string> command{}; ///< instead of the image's own; with `folder`, instead of its init
    std::string append{};               ///< to the kernel's command line
    unsigned cpus = 1;
    unsigned memory_mib = 0; ///< 0: as much as its files need to unpack, and 128 MiB
    bool root_owns = false;  ///< all files of `folder` belong to root
};

/// Writes NAME-kernel, NAME-initrd and NAME.toml to `output`, and returns the last one's path. The same from the same:
/// every file's time is SOURCE_DATE_EPOCH, or 0. Throws Failure.
std::filesystem::path make_linux_guest(const LinuxGuest& guest);

/// The initrd alone.
[[nodiscard]] std::string make_linux_initrd(RootTree& root, const StartOfProgram& start, const std::string& name,
                                            std::uint32_t mtime);

/// The user and group of StartOfProgram::user as numbers, and further groups, by /etc/passwd and /etc/group of the
/// image.
struct UserNumbers {
    std::uint32_t uid = 0;
    std::uint32_t gid = 0;
    std::vector<std::uint32_t> groups;
    std::string home = "/";
};
[[nodiscard]] UserNumbers find_user(const RootTree& root, const std::string& user);

} // namespace bulkhead::tools
