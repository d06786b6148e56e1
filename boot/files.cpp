// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "boot/files.hpp"

#include <algorithm>

#include "boot/stopwatch.hpp"

namespace bulkhead::boot {

namespace {

constexpr u64 max_path = 255;
/// Some firmware fails on reads of many MiB at once, and progress is shown between two of them.
constexpr u64 chunk_size = 1 * MiB;
constexpr u64 worth_progress = 8 * MiB;

/// A path as UEFI wants it, zero-terminated.
struct FirmwarePath {
    CHAR16 text[max_path + 1]{};
};

Result<FirmwarePath> firmware_path(std::string_view path) {
    FirmwarePath result;
    if (path.empty() || path.size() > max_path)
        return fail("the path is empty or too long", path.size());
    for (u64 i = 0; i < path.size(); ++i) {
        if (path[i] < ' ' || path[i] > '~')
            return fail("the path has characters that are not ASCII", i);
        result.text[i] = static_cast<CHAR16>(path[i] == '/' ? '\\' : path[i]);
    }
    return result;
}

/// Closes the file at the end of its scope.
class OpenFile {
public:
    explicit OpenFile(EFI_FILE_HANDLE file) : file_(file) {}
    OpenFile(const OpenFile&) = delete;
    OpenFile& operator=(const OpenFile&) = delete;
    ~OpenFile() { file_->Close(file_); }

    /// UEFI 2.10 13.5.16.
    [[nodiscard]] Result<u64> size() const {
        alignas(EFI_FILE_INFO) u8 buffer[sizeof(EFI_FILE_INFO) + (max_path + 1) * sizeof(CHAR16)];
        EFI_GUID guid = EFI_FILE_INFO_ID;
        UINTN bytes = sizeof buffer;
        const EFI_STATUS status = file_->GetInfo(file_, &guid, &bytes, buffer);
        if (failed(status))
            return fail("the firmware cannot say how large the file is", status);
        const auto* info = reinterpret_cast<const EFI_FILE_INFO*>(buffer);
        if ((info->Attribute & EFI_FILE_DIRECTORY) != 0)
            return fail("it is a folder, not a file");
        return info->FileSize;
    }

private:
    EFI_FILE_HANDLE file_;
};

/// Whether `size` bytes can be written once `old` are gone. A file system that does not say (UEFI 2.10 13.5.16) may
/// have the room.
bool has_room(EFI_FILE_HANDLE folder, u64 old, u64 size) {
    constexpr u64 longest_label = 64;
    alignas(EFI_FILE_SYSTEM_INFO) u8 buffer[sizeof(EFI_FILE_SYSTEM_INFO) + longest_label * sizeof(CHAR16)];
    EFI_GUID guid = EFI_FILE_SYSTEM_INFO_ID;
    UINTN bytes = sizeof buffer;
    if (failed(folder->GetInfo(folder, &guid, &bytes, buffer)))
        return true;
    const auto* info = reinterpret_cast<const EFI_FILE_SYSTEM_INFO*>(buffer);
    const u64 block = std::max<u64>(info->BlockSize, 1);
    return (size + block - 1) / block <= info->FreeSpace / block + (old + block - 1) / block;
}

std::unexpected<Error> why_not_written(EFI_STATUS status) {
    if (status == EFI_WRITE_PROTECTED || status == EFI_ACCESS_DENIED)
        return fail("the volume is write-protected");
    if (status == EFI_VOLUME_FULL)
        return fail("the volume is full");
    return fail("the firmware cannot write the file", status);
}

} // namespace

void Volume::close() {
    if (folder_ != nullptr)
        folder_->Close(folder_);
    folder_ = nullptr;
}

Result<void> Volume::open() { return open(EFI_FILE_MODE_READ); }

Result<void> Volume::open_or_create() {
    if (const auto done = open(EFI_FILE_MODE_READ); done)
        return done;
    return open(EFI_FILE_MODE_READ | EFI_FILE_MODE_WRITE | EFI_FILE_MODE_CREATE);
}

Result<void> Volume::open(UINT64 mode) {
    const auto* image = protocol_on<EFI_LOADED_IMAGE>(firmware_, firmware_.image, EFI_LOADED_IMAGE_PROTOCOL_GUID);
    if (image == nullptr || image->DeviceHandle == nullptr)
        return fail("the firmware does not say which volume this program came from");
    auto* volume =
        protocol_on<EFI_FILE_IO_INTERFACE>(firmware_, image->DeviceHandle, EFI_SIMPLE_FILE_SYSTEM_PROTOCOL_GUID);
    if (volume == nullptr && network_.open(firmware_, image->DeviceHandle))
        return {};
    if (volume == nullptr)
        return fail("this program's volume has no file system, and it was not started by PXE over IPv4 either");
    EFI_FILE_HANDLE root = nullptr;
    if (const EFI_STATUS status = volume->OpenVolume(volume, &root); failed(status))
        return fail("this program's volume cannot be opened", status);
    const OpenFile close_root(root);
    CHAR16 name[] = {'b', 'u', 'l', 'k', 'h', 'e', 'a', 'd', 0};
    const bool create = (mode & EFI_FILE_MODE_CREATE) != 0;
    const EFI_STATUS status = root->Open(root, &folder_, name, mode, create ? EFI_FILE_DIRECTORY : 0);
    lacks_folder_ = status == EFI_NOT_FOUND;
    if (create && failed(status))
        return why_not_written(status);
    if (failed(status)) {
        folder_ = nullptr;
        return fail("there is no folder \\bulkhead on the volume that this program came from");
    }
    return {};
}

Result<EFI_FILE_HANDLE> Volume::open_file(std::string_view path) {
    auto name = firmware_path(path);
    if (!name)
        return std::unexpected(name.error());
    const Stopwatch watch(ticks_);
    EFI_FILE_HANDLE file = nullptr;
    const EFI_STATUS status = folder_->Open(folder_, &file, name->text, EFI_FILE_MODE_READ, 0);
    if (status == EFI_NOT_FOUND)
        return fail(Files::not_there);
    if (failed(status))
        return fail("the file cannot be opened", status);
    return file;
}

Result<u64> Volume::size(std::string_view path) {
    if (network_.is_open()) {
        const Stopwatch watch(ticks_);
        return network_.size(path);
    }
    const auto file = open_file(path);
    if (!file)
        return std::unexpected(file.error());
    return OpenFile(*file).size();
}

Result<void> Volume::read(std::string_view path, std::span<u8> memory) {
    if (network_.is_open())
        return fetch(path, memory);
    const auto file = open_file(path);
    if (!file)
        return std::unexpected(file.error());
    const OpenFile open(*file);
    const auto size = open.size();
    if (!size)
        return std::unexpected(size.error());
    if (*size != memory.size())
        return fail("the file's size changed while it was read", *size);
    firmware_.console.print("bulkhead: reading ");
    firmware_.console.print(path);
    const auto result = read_chunks(*file, memory);
    Line<40> end;
    end << ", " << Size{memory.size()} << '\n';
    firmware_.console.print(end.view());
    return result;
}

Result<void> Volume::fetch(std::string_view path, std::span<u8> memory) {
    const Stopwatch watch(ticks_);
    Line<300> line;
    line << "fetching " << path << ", " << Size{memory.size()};
    firmware_.console.say(line.view());
    return network_.read(path, memory);
}

EFI_STATUS Volume::read_chunk(EFI_FILE_HANDLE file, UINTN* bytes, u8* memory) {
    const Stopwatch watch(ticks_);
    return file->Read(file, bytes, memory);
}

Result<void> Volume::read_chunks(EFI_FILE_HANDLE file, std::span<u8> memory) {
    u64 shown = 0; // tenths
    for (u64 done = 0; done < memory.size();) {
        UINTN bytes = std::min(chunk_size, memory.size() - done);
        const EFI_STATUS status = read_chunk(file, &bytes, memory.data() + done);
        if (failed(status))
            return fail("the firmware cannot read the file", status);
        if (bytes == 0)
            return fail("the file ends too early", done);
        done += bytes;
        for (; memory.size() >= worth_progress && shown < done * 10 / memory.size(); ++shown)
            firmware_.console.print(".");
    }
    return {};
}

Result<bool> Volume::exists(std::string_view path) {
    if (network_.is_open())
        return size(path).has_value();
    auto name = firmware_path(path);
    if (!name)
        return std::unexpected(name.error());
    EFI_FILE_HANDLE file = nullptr;
    const EFI_STATUS status = folder_->Open(folder_, &file, name->text, EFI_FILE_MODE_READ, 0);
    if (status == EFI_NOT_FOUND)
        return false;
    if (failed(status))
        return fail("the firmware does not say whether there is such a file", status);
    file->Close(file);
    return true;
}

Result<void> Volume::write(std::string_view path, std::span<const u8> bytes) {
    constexpr UINT64 read_write = EFI_FILE_MODE_READ | EFI_FILE_MODE_WRITE;
    if (network_.is_open())
        return fail("it was started over the network, where nothing is written");
    auto name = firmware_path(path);
    if (!name)
        return std::unexpected(name.error());
    const Result<u64> old = exists(path).value_or(false) ? this->size(path) : Result<u64>(0);
    if (!has_room(folder_, old.value_or(0), bytes.size()) && old.value_or(0) != 0)
        return fail("the volume is full; the file that is there stays");
    EFI_FILE_HANDLE file = nullptr;
    // Opened as it is, a file keeps its length.
    if (!failed(folder_->Open(folder_, &file, name->text, read_write, 0)) && failed(file->Delete(file)))
        return fail("the file that is there cannot be replaced");
    if (const EFI_STATUS status = folder_->Open(folder_, &file, name->text, read_write | EFI_FILE_MODE_CREATE, 0);
        failed(status))
        return why_not_written(status);
    EFI_STATUS status = EFI_SUCCESS;
    for (u64 done = 0; done < bytes.size() && !failed(status);) {
        UINTN size = std::min(chunk_size, bytes.size() - done);
        status = file->Write(file, &size, const_cast<u8*>(bytes.data() + done));
        done += size;
        if (!failed(status) && size == 0)
            status = EFI_VOLUME_FULL;
    }
    if (!failed(status))
        status = file->Flush(file);
    if (!failed(status))
        return file->Close(file), Result<void>();
    file->Delete(file);
    return why_not_written(status);
}

} // namespace bulkhead::boot
