// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// Files of the volume, or the server, that the loader was started from, in the folder \bulkhead.
#pragma once

#include <span>
#include <string_view>

#include "boot/firmware.hpp"
#include "boot/network.hpp"
#include "config/files.hpp"

namespace bulkhead::boot {

class Volume final : public Files {
public:
    explicit Volume(const Firmware& firmware) : firmware_(firmware) {}
    Volume(const Volume&) = delete;
    Volume& operator=(const Volume&) = delete;

    /// Finds the folder \bulkhead of the volume that this program came from. Before any other function.
    [[nodiscard]] Result<void> open();
    /// Whether open() failed because there is no such folder.
    [[nodiscard]] bool lacks_folder() const { return lacks_folder_; }
    /// The same, but makes the folder where there is none.
    [[nodiscard]] Result<void> open_or_create();
    /// Before the driver of the volume's device goes. No other function may be called after it.
    void close();

    /// See config/files.hpp.
    [[nodiscard]] Result<u64> size(std::string_view path) override;

    /// Reads a whole file into `memory`, whose size must be the file's. Shows progress for large files.
    [[nodiscard]] Result<void> read(std::string_view path, std::span<u8> memory);

    /// Whether there is anything of this name.
    [[nodiscard]] Result<bool> exists(std::string_view path);

    /// Writes a whole file, and replaces one that is there. What cannot be written as a whole is not left behind. The
    /// survey alone writes to the volume.
    [[nodiscard]] Result<void> write(std::string_view path, std::span<const u8> bytes);

    /// TSC ticks that the firmware spent opening and reading files.
    [[nodiscard]] u64 ticks() const { return ticks_; }

private:
    [[nodiscard]] Result<void> open(UINT64 mode);
    [[nodiscard]] Result<EFI_FILE_HANDLE> open_file(std::string_view path);
    [[nodiscard]] Result<void> read_chunks(EFI_FILE_HANDLE file, std::span<u8> memory);
    [[nodiscard]] Result<void> fetch(std::string_view path, std::span<u8> memory);
    [[nodiscard]] EFI_STATUS read_chunk(EFI_FILE_HANDLE file, UINTN* bytes, u8* memory);

    const Firmware& firmware_;
    EFI_FILE_HANDLE folder_ = nullptr;
    Network network_; ///< in its place, if this program came from there
    bool lacks_folder_ = false;
    u64 ticks_ = 0;
};

} // namespace bulkhead::boot
