// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// Any answer of a DHCP server.
#include "boot/dhcp.hpp"
#include "fuzz/fuzz.hpp"

namespace bulkhead {

void fuzz::try_input(Bytes input) {
    const auto server = boot::boot_server(input);
    require(!server || *server != boot::Ipv4Address{}, "a server without an address");
}

std::vector<fuzz::Seed> fuzz::seeds() {
    Seed packet(240);
    const std::initializer_list<u8> cookie{99, 130, 83, 99}, options{53, 1, 5, 54, 4, 192, 168, 7, 1, 255};
    std::ranges::copy(cookie, packet.begin() + 236);
    packet.insert(packet.end(), options);
    return {packet};
}

} // namespace bulkhead
