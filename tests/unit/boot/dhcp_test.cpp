// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "boot/dhcp.hpp"

#include <vector>

#include <catch2/catch_test_macros.hpp>

using namespace bulkhead;
using boot::boot_server;
using boot::Ipv4Address;

namespace {

/// RFC 2131's fixed part and cookie, then these options.
std::vector<u8> packet(Ipv4Address siaddr, std::initializer_list<u8> options) {
    std::vector<u8> bytes(240);
    std::ranges::copy(siaddr, bytes.begin() + 20);
    std::ranges::copy(std::initializer_list<u8>{99, 130, 83, 99}, bytes.begin() + 236);
    bytes.insert(bytes.end(), options);
    return bytes;
}

constexpr Ipv4Address none{}, next{10, 0, 2, 2}, sender{192, 168, 7, 1};

} // namespace

TEST_CASE("DHCP: the boot server is siaddr, or else who answers") {
    CHECK(boot_server(packet(next, {54, 4, 192, 168, 7, 1, 255})) == next);
    CHECK(boot_server(packet(none, {54, 4, 192, 168, 7, 1, 255})) == sender);
    CHECK(boot_server(packet(none, {0, 0, 53, 1, 5, 51, 4, 54, 4, 1, 2, 54, 4, 192, 168, 7, 1})) == sender);
    CHECK_FALSE(boot_server(packet(none, {53, 1, 5, 255, 54, 4, 192, 168, 7, 1})));
    CHECK_FALSE(boot_server(packet(none, {})));
}

TEST_CASE("DHCP: options that are cut off or not addresses name no server") {
    CHECK_FALSE(boot_server({}));
    CHECK_FALSE(boot_server(std::vector<u8>(239, 1)));
    CHECK(boot_server(std::vector<u8>(240, 1)) == Ipv4Address{1, 1, 1, 1});
    CHECK_FALSE(boot_server(packet(none, {54})));
    CHECK_FALSE(boot_server(packet(none, {54, 4, 192, 168, 7})));
    CHECK_FALSE(boot_server(packet(none, {54, 3, 192, 168, 7, 255})));
    CHECK_FALSE(boot_server(packet(none, {54, 4, 0, 0, 0, 0, 255})));
    CHECK_FALSE(boot_server(packet(none, {12, 200, 54, 4, 192, 168, 7, 1})));
    std::vector<u8> other = packet(none, {54, 4, 192, 168, 7, 1, 255});
    other[236] = 0; // BOOTP's own vendor area
    CHECK_FALSE(boot_server(other));
}
