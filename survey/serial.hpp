// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// Serial ports: those of a PC, where a 16550 answers, and one list of all that were found.
#pragma once

#include "base/hardware.hpp"
#include "survey/inventory.hpp"

namespace bulkhead::survey {

struct ComPort {
    u16 port;
    u8 irq;
};
/// COM1 to COM4 of a PC.
inline constexpr ComPort com_ports[] = {{0x3f8, 4}, {0x2f8, 3}, {0x3e8, 4}, {0x2e8, 3}};

/// Adds a port unless one at this address is listed; then that one is completed.
void add_serial(Inventory& inventory, const SerialPort& port);

/// PC16550D 8.6: the scratch register of a 16550 keeps what is written to it, and the upper bits of its interrupt
/// enable register are 0. Where there is nothing a bus has ones, or what was there last. What the port was set to, it
/// stays.
template <PortAccess Ports> [[nodiscard]] bool is_16550(Ports& ports, u16 base) {
    constexpr u16 interrupt_enable = 1;
    constexpr u16 scratch = 7;
    const auto at = [&](u16 offset) { return static_cast<u16>(base + offset); };
    const u8 before = ports.in8(at(scratch));
    const auto keeps = [&](u8 value) {
        ports.out8(at(scratch), value);
        const bool is_register = (ports.in8(at(interrupt_enable)) & 0xf0) == 0; // and another value was on the bus
        return is_register && ports.in8(at(scratch)) == value;
    };
    const bool all = keeps(0x5a) && keeps(0xa5);
    ports.out8(at(scratch), before);
    return all;
}

template <PortAccess Ports> void probe_com_ports(Inventory& inventory, Ports& ports) {
    for (const ComPort& com : com_ports)
        if (is_16550(ports, com.port))
            add_serial(
                inventory,
                {.source = SerialSource::Ports, .io = true, .address = com.port, .irq = com.irq, .is_16550 = true});
}

} // namespace bulkhead::survey
