// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#pragma once

#include <deque>
#include <string>
#include <utility>

#include "base/hardware.hpp"

namespace bulkhead::fakes {

/// A 16550 at 0x3f8 as its data sheet has it, with its interrupt line; every other port is empty.
class Uart {
public:
    static constexpr u16 base = 0x3f8;

    bool has_fifo = true;
    bool transmits = true;                      ///< false: what is in the FIFO never leaves
    bool stuck_interrupt = false;               ///< IIR never becomes idle
    std::deque<std::pair<char, bool>> incoming; ///< byte, and whether it is a break
    std::string sent;
    unsigned in_fifo = 0; ///< bytes not sent yet
    u8 ier = 0, lcr = 0, mcr = 0, scratch = 0, fcr = 0;
    u16 divisor = 0;
    unsigned edges = 0; ///< rises of the interrupt line

    bool line() const { return (identification() & 1) == 0; }
    void receive(char byte, bool is_break = false) {
        if (incoming.size() == (has_fifo ? 16 : 1))
            overrun_ = true;
        else
            incoming.push_back({byte, is_break});
        update();
    }
    void transmitted() {
        in_fifo = 0;
        thre_pending_ = true;
        update();
    }

    u8 in8(u16 port) {
        const u8 value = read(port);
        update();
        return value;
    }
    u32 in32(u16) { return ~0u; }
    void out8(u16 port, u8 value) {
        write(port, value);
        update();
    }

private:
    bool dlab() const { return (lcr & 0x80) != 0; }
    u8 identification() const {
        if ((ier & 1) != 0 && !incoming.empty())
            return 0x04;
        if ((ier & 2) != 0 && thre_pending_)
            return 0x02;
        return stuck_interrupt && ier != 0 ? 0x00 : 0x01;
    }
    u8 read(u16 port) {
        switch (port) {
        case base: {
            if (incoming.empty())
                return 0;
            const auto [byte, is_break] = incoming.front();
            incoming.pop_front();
            return static_cast<u8>(byte);
        }
        case base + 1:
            return ier;
        case base + 2: {
            const u8 id = identification();
            if (id == 0x02)
                thre_pending_ = false;
            return static_cast<u8>(id | (has_fifo && (fcr & 1) != 0 ? 0xc0 : 0));
        }
        case base + 3:
            return lcr;
        case base + 5:
            return static_cast<u8>((std::exchange(overrun_, false) ? 2 : 0) | (in_fifo == 0 ? 0x60 : 0) |
                                   (incoming.empty() ? 0 : 1) |
                                   (!incoming.empty() && incoming.front().second ? 0x10 : 0));
        case base + 6:
            return 0;
        case base + 7:
            return scratch;
        default:
            return 0xff;
        }
    }
    void write(u16 port, u8 value) {
        switch (port) {
        case base:
            if (dlab()) {
                divisor = static_cast<u16>((divisor & 0xff00) | value);
                break;
            }
            if (in_fifo >= (has_fifo ? 16 : 1))
                break; // lost
            sent.push_back(static_cast<char>(value));
            ++in_fifo;
            thre_pending_ = false;
            if (transmits)
                transmitted();
            break;
        case base + 1:
            if (dlab()) {
                divisor = static_cast<u16>((divisor & 0xff) | value << 8);
                break;
            }
            if ((value & 2) != 0 && (ier & 2) == 0 && in_fifo == 0)
                thre_pending_ = true; // enabling it on an empty transmitter raises it
            ier = value & 0x0f;
            break;
        case base + 2:
            fcr = value;
            if ((value & 2) != 0)
                incoming.clear();
            break;
        case base + 3:
            lcr = value;
            break;
        case base + 4:
            mcr = value;
            break;
        case base + 7:
            scratch = value;
            break;
        default:
            break;
        }
    }
    void update() {
        const bool now = line();
        edges += now && !was_ ? 1 : 0;
        was_ = now;
    }

    bool thre_pending_ = false;
    bool overrun_ = false;
    bool was_ = false;
};
static_assert(PortAccess<Uart>);

/// Ports that nothing answers at.
struct NoPorts {
    u8 in8(u16) { return 0xff; }
    u32 in32(u16) { return ~0u; }
    void out8(u16, u8) {}
};
static_assert(PortAccess<NoPorts>);

} // namespace bulkhead::fakes
