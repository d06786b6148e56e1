// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "boot/network.hpp"

#include <algorithm>
#include <cstring>

#include "boot/dhcp.hpp"
#include "config/files.hpp"

namespace bulkhead::boot {

namespace {

constexpr std::string_view folder = "bulkhead/";

bool take_server(const EFI_PXE_BASE_CODE_PACKET& packet, EFI_IP_ADDRESS& server) {
    const auto address = boot_server(packet.Raw);
    if (address)
        std::ranges::copy(*address, server.v4.Addr);
    return address.has_value();
}

} // namespace

bool Network::open(const Firmware& firmware, EFI_HANDLE device) {
    auto* pxe = protocol_on<EFI_PXE_BASE_CODE_PROTOCOL>(firmware, device, EFI_PXE_BASE_CODE_PROTOCOL_GUID);
    if (pxe == nullptr || pxe->Mode == nullptr || !pxe->Mode->Started || pxe->Mode->UsingIpv6)
        return false;
    const EFI_PXE_BASE_CODE_MODE& mode = *pxe->Mode;
    const bool found = (mode.PxeReplyReceived && take_server(mode.PxeReply, server_)) ||
                       (mode.ProxyOfferReceived && take_server(mode.ProxyOffer, server_)) ||
                       (mode.DhcpAckReceived && take_server(mode.DhcpAck, server_));
    if (found)
        pxe_ = pxe;
    return found;
}

EFI_STATUS Network::transfer(EFI_PXE_BASE_CODE_TFTP_OPCODE operation, std::string_view path, void* memory, u64& size) {
    static UINT8 name[300]; // zero-terminated
    if (path.size() + folder.size() >= sizeof name)
        return EFI_INVALID_PARAMETER;
    std::memset(name, 0, sizeof name);
    folder.copy(reinterpret_cast<char*>(name), folder.size());
    std::ranges::transform(path, name + folder.size(), [](char c) { return static_cast<u8>(c == '\\' ? '/' : c); });
    return pxe_->Mtftp(pxe_, operation, memory, FALSE, &size, nullptr, &server_, name, nullptr, FALSE);
}

Result<u64> Network::size(std::string_view path) {
    u64 size = 0;
    const EFI_STATUS status = transfer(EFI_PXE_BASE_CODE_TFTP_GET_FILE_SIZE, path, nullptr, size);
    constexpr u8 file_not_found = 1; // RFC 1350 5
    if (status == EFI_NOT_FOUND || (status == EFI_TFTP_ERROR && pxe_->Mode->TftpError.ErrorCode == file_not_found))
        return fail(Files::not_there);
    if (failed(status))
        return fail("the server cannot say how large the file is", status);
    return size;
}

Result<void> Network::read(std::string_view path, std::span<u8> memory) {
    u64 size = memory.size();
    if (const EFI_STATUS status = transfer(EFI_PXE_BASE_CODE_TFTP_READ_FILE, path, memory.data(), size); failed(status))
        return fail("the file cannot be fetched from the server", status);
    if (size != memory.size())
        return fail("the file's size changed while it was fetched", size);
    return {};
}

} // namespace bulkhead::boot
