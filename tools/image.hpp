// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// The product's disk: a GPT with one EFI system partition, as firmware expects it on a USB stick (UEFI 2.10 3.5.1.1).
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace bulkhead::tools {

inline constexpr std::uintmax_t largest_file = 0xffff'ffff; ///< FAT keeps a file's size in 32 bits

struct ImageFile {
    std::string name;             ///< relative to \bulkhead\, with '/' between its parts
    std::filesystem::path source; ///< on the host
};

struct ImageContents {
    std::filesystem::path efi; ///< becomes \EFI\BOOT\BOOTX64.EFI
    /// Becomes that instead, and starts `efi`, which is \EFI\BOOT\BULKHEAD.EFI then: for some emulators' firmware.
    std::optional<std::filesystem::path> addition{};
    /// Becomes \bulkhead\bulkhead.toml. Empty: none, and the machine takes inventory.
    std::filesystem::path configuration;
    std::vector<ImageFile> files;
};

/// Writes `image`, just large enough. The same contents give the same bytes: identifiers are fixed, and the files' time
/// is SOURCE_DATE_EPOCH, or a fixed one. Throws Failure, also when SIGINT, SIGTERM or SIGHUP comes; then `image` is
/// what it was before, and nothing else is left.
void write_image(const std::filesystem::path& image, const ImageContents& contents);

/// Writes the same files into `folder`, to be copied to any FAT volume: it must not be there yet, or be empty. Throws
/// Failure likewise.
void write_tree(const std::filesystem::path& folder, const ImageContents& contents);

} // namespace bulkhead::tools
