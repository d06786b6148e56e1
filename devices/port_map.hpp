// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#pragma once

#include <array>

#include "base/types.hpp"
#include "devices/platform.hpp"

namespace bulkhead {

/// Which device answers a port. `None`: reads give all ones, writes vanish.
enum class PortDevice : u8 { None, Uart, Power, PmTimer, Watchdog };

struct PortRange {
    u16 first;
    u16 count;
    PortDevice device;
};

/// The guest machine's ports.
inline constexpr std::array port_ranges{
    PortRange{platform::uart_port, 8, PortDevice::Uart},
    PortRange{platform::power_port, 8, PortDevice::Power},
    PortRange{platform::pm_timer_port, 4, PortDevice::PmTimer},
    PortRange{platform::watchdog_port, 12, PortDevice::Watchdog},
};

namespace detail {

void two_devices_claim_one_port(); // exists nowhere: a call is no constant expression

/// Two bytes of table lookups per port access: blocks of 256 ports, most of which are the empty one.
struct PortTable {
    static constexpr u32 max_blocks = 4;
    std::array<u8, 256> block_of{}; ///< by bits 15:8 of the port; block 0 is empty
    std::array<PortDevice, 256 * max_blocks> devices{};
};

consteval PortTable make_port_table() {
    PortTable table;
    u8 blocks = 1;
    for (const PortRange& range : port_ranges) {
        for (u32 port = range.first; port < u32{range.first} + range.count; ++port) {
            u8& block = table.block_of.at(port >> 8); // at(): a range beyond 0xffff does not compile
            if (block == 0)
                block = blocks++;
            PortDevice& device = table.devices.at(256u * block + (port & 0xff));
            if (device != PortDevice::None)
                two_devices_claim_one_port(); // does not compile
            device = range.device;
        }
    }
    return table;
}

inline constexpr PortTable port_table = make_port_table();

} // namespace detail

/// The device at `port`, in a handful of instructions.
[[nodiscard]] constexpr PortDevice find_port_device(u16 port) {
    return detail::port_table.devices[256u * detail::port_table.block_of[port >> 8] + (port & 0xff)];
}

} // namespace bulkhead
