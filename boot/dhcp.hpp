// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#pragma once

#include <algorithm>
#include <array>
#include <optional>
#include <span>

#include "base/types.hpp"

namespace bulkhead::boot {

using Ipv4Address = std::array<u8, 4>; ///< in the network's order

/// The server that a DHCPv4 answer tells to boot from: siaddr (RFC 2131 2), or else the one that it is from, option 54
/// (RFC 2132 9.7). Nothing where it names none. The packet is anybody's: any bytes, of any length.
[[nodiscard]] constexpr std::optional<Ipv4Address> boot_server(std::span<const u8> packet) {
    constexpr u64 siaddr = 20, cookie = 236, options = 240;
    constexpr std::array<u8, 4> magic{99, 130, 83, 99}; // RFC 2131 3
    constexpr u8 pad = 0, end = 255, server_identifier = 54;
    Ipv4Address address{};
    const auto take = [&](u64 offset) {
        std::ranges::copy(packet.subspan(offset, address.size()), address.begin());
        return address != Ipv4Address{};
    };
    if (packet.size() < options)
        return std::nullopt;
    if (take(siaddr))
        return address;
    if (!std::ranges::equal(packet.subspan(cookie, magic.size()), magic))
        return std::nullopt;
    for (u64 at = options; at < packet.size() && packet[at] != end;) {
        if (packet[at] == pad) {
            ++at;
            continue;
        }
        if (packet.size() - at < 2 || packet.size() - at - 2 < packet[at + 1])
            return std::nullopt;
        if (packet[at] == server_identifier && packet[at + 1] == address.size() && take(at + 2))
            return address;
        at += 2u + packet[at + 1];
    }
    return std::nullopt;
}

} // namespace bulkhead::boot
