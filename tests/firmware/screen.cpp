// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "firmware/screen.hpp"

#include "arch/x86_64/instructions.hpp"

namespace bulkhead::firmware {
namespace {

constexpr u32 width = 1024, height = 768;

u32 read_pci(u32 device, u32 offset) {
    arch::out32(0xcf8, 0x8000'0000 | device << 11 | offset);
    return arch::in32(0xcfc);
}

bool has_bochs_vga() {
    constexpr u32 bochs_vga = 0x1111'1234;
    for (u32 device = 0; device < 32; ++device)
        if (read_pci(device, 0) == bochs_vga)
            return true;
    return false;
}

EFI_STATUS EFIAPI query_mode(EFI_GRAPHICS_OUTPUT_PROTOCOL*, UINT32, UINTN*, EFI_GRAPHICS_OUTPUT_MODE_INFORMATION**) {
    return EFI_UNSUPPORTED;
}
EFI_STATUS EFIAPI change_mode(EFI_GRAPHICS_OUTPUT_PROTOCOL*, UINT32) { return EFI_UNSUPPORTED; }
EFI_STATUS EFIAPI blt(EFI_GRAPHICS_OUTPUT_PROTOCOL*, EFI_GRAPHICS_OUTPUT_BLT_PIXEL*, EFI_GRAPHICS_OUTPUT_BLT_OPERATION,
                      UINTN, UINTN, UINTN, UINTN, UINTN, UINTN, UINTN) {
    return EFI_UNSUPPORTED;
}

} // namespace

void install_screen(const boot::Firmware& firmware) {
    static EFI_GRAPHICS_OUTPUT_MODE_INFORMATION information{};
    static EFI_GRAPHICS_OUTPUT_PROTOCOL_MODE mode{};
    static EFI_GRAPHICS_OUTPUT_PROTOCOL protocol{};
    EFI_GUID guid = EFI_GRAPHICS_OUTPUT_PROTOCOL_GUID;
    constexpr u64 size = u64{width} * height * sizeof(u32);
    EFI_PHYSICAL_ADDRESS framebuffer = 0;
    if (!has_bochs_vga() || boot::failed(firmware.boot->AllocatePages(AllocateAnyPages, EfiReservedMemoryType,
                                                                      size / EFI_PAGE_SIZE, &framebuffer)))
        return;
    information.HorizontalResolution = information.PixelsPerScanLine = width;
    information.VerticalResolution = height;
    information.PixelFormat = PixelBlueGreenRedReserved8BitPerColor;
    mode.MaxMode = 1;
    mode.Info = &information;
    mode.SizeOfInfo = sizeof information;
    mode.FrameBufferBase = framebuffer;
    mode.FrameBufferSize = size;
    protocol = {.QueryMode = query_mode, .SetMode = change_mode, .Blt = blt, .Mode = &mode};
    EFI_HANDLE handle = nullptr;
    if (boot::failed(firmware.boot->InstallProtocolInterface(&handle, &guid, EFI_NATIVE_INTERFACE, &protocol)))
        firmware.console.say("the test's screen cannot be installed");
}

} // namespace bulkhead::firmware
