// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#pragma once

#include <span>
#include <string_view>

#include "boot/firmware.hpp"

extern "C" {
#include <efipxebc.h>
}

namespace bulkhead::boot {

/// Files of the server that this program was started from over the network: those below bulkhead/ on it, by TFTP
/// (UEFI 2.10 24.3).
class Network {
public:
    /// `device`: what the firmware started this program from. False if that is no network.
    [[nodiscard]] bool open(const Firmware& firmware, EFI_HANDLE device);
    [[nodiscard]] bool is_open() const { return pxe_ != nullptr; }

    /// Errors: the server has no such file, or does not answer. As in config/files.hpp.
    [[nodiscard]] Result<u64> size(std::string_view path);
    /// A whole file, which must have the size of `memory`.
    [[nodiscard]] Result<void> read(std::string_view path, std::span<u8> memory);

private:
    EFI_STATUS transfer(EFI_PXE_BASE_CODE_TFTP_OPCODE operation, std::string_view path, void* memory, u64& size);

    EFI_PXE_BASE_CODE_PROTOCOL* pxe_ = nullptr;
    EFI_IP_ADDRESS server_{};
};

} // namespace bulkhead::boot
