// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "firmware/start_beside.hpp"

#include <cstring>

namespace bulkhead::firmware {
namespace {

using boot::failed;
using boot::Firmware;

/// The path of a volume, then of a file on it. UEFI 2.10 10.3.
class FilePath {
public:
    FilePath(const EFI_DEVICE_PATH_PROTOCOL* volume, std::u16string_view file) {
        const u64 size = 2 * (file.size() + 1); // with the zero behind it
        for (; volume->Type != END_DEVICE_PATH_TYPE; volume = after(volume))
            append(volume, length_of(volume));
        EFI_DEVICE_PATH_PROTOCOL header = node(MEDIA_DEVICE_PATH, MEDIA_FILEPATH_DP, sizeof header + size);
        append(&header, sizeof header);
        append(file.data(), size);
        header = node(END_DEVICE_PATH_TYPE, END_ENTIRE_DEVICE_PATH_SUBTYPE, sizeof header);
        append(&header, sizeof header);
    }
    EFI_DEVICE_PATH_PROTOCOL* get() { return reinterpret_cast<EFI_DEVICE_PATH_PROTOCOL*>(bytes_); }

private:
    static u64 length_of(const EFI_DEVICE_PATH_PROTOCOL* path) { return path->Length[0] | u64{path->Length[1]} << 8; }
    static const EFI_DEVICE_PATH_PROTOCOL* after(const EFI_DEVICE_PATH_PROTOCOL* path) {
        return reinterpret_cast<const EFI_DEVICE_PATH_PROTOCOL*>(reinterpret_cast<u64>(path) + length_of(path));
    }
    static EFI_DEVICE_PATH_PROTOCOL node(u8 type, u8 subtype, u64 length) {
        return {.Type = type, .SubType = subtype, .Length = {static_cast<u8>(length), static_cast<u8>(length >> 8)}};
    }
    void append(const void* from, u64 size) {
        if (size > sizeof bytes_ - used_)
            __builtin_trap();
        std::memcpy(bytes_ + used_, from, size);
        used_ += size;
    }

    alignas(8) u8 bytes_[1024]{};
    u64 used_ = 0;
};

} // namespace

EFI_STATUS start_beside(const Firmware& firmware, std::u16string_view file) {
    const auto* self = boot::protocol_on<EFI_LOADED_IMAGE_PROTOCOL>(firmware, firmware.image, LOADED_IMAGE_PROTOCOL);
    if (self == nullptr)
        return EFI_NOT_FOUND;
    const auto* volume =
        boot::protocol_on<EFI_DEVICE_PATH_PROTOCOL>(firmware, self->DeviceHandle, EFI_DEVICE_PATH_PROTOCOL_GUID);
    if (volume == nullptr)
        return EFI_NOT_FOUND;
    FilePath path(volume, file);
    EFI_HANDLE image = nullptr;
    const EFI_STATUS status = firmware.boot->LoadImage(FALSE, firmware.image, path.get(), nullptr, 0, &image);
    return failed(status) ? status : firmware.boot->StartImage(image, nullptr, nullptr);
}

} // namespace bulkhead::firmware
