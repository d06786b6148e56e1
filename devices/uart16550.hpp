// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#pragma once

#include <array>

#include "base/types.hpp"
#include "devices/interrupt.hpp"

namespace bulkhead {

/// A 16550A (PC16550D data sheet) whose transmitter is always empty: what a guest writes leaves at once, so no guest
/// waits for its console. The other side of the wire is always there: CTS, DSR and DCD are set.
/// It has no lock: the guest's vCPUs take turns, which is their caller's business.
class Uart16550 {
public:
    struct Read {
        u8 value = 0;
        LineEvent line = LineEvent::None;
    };
    struct Write {
        bool emits = false; ///< `byte` goes out on the wire
        u8 byte = 0;
        LineEvent line = LineEvent::None;
    };

    /// One register of eight, 0 to 7 (higher bits are ignored). Wider port accesses are split into bytes by the caller.
    [[nodiscard]] Read read(u32 reg);
    [[nodiscard]] Write write(u32 reg, u8 value);

    /// Whether receive() has room: 16 bytes with the FIFO on, 1 without. In loopback the wire is not connected.
    [[nodiscard]] bool can_receive() const;
    /// A byte from the wire. Where there is no room it is lost and LSR.OE says so: ask can_receive() first.
    LineEvent receive(u8 byte);

    /// The level of the interrupt line now.
    [[nodiscard]] bool line() const { return interrupting_ != no_interrupt; }

private:
    static constexpr u8 no_interrupt = 1; ///< IIR 3:0

    [[nodiscard]] u8 cause() const;
    [[nodiscard]] u8 modem_lines() const;
    [[nodiscard]] u32 depth() const;
    [[nodiscard]] LineEvent update_line();
    [[nodiscard]] u8 read_data();
    void write_modem_control(u8 value);
    void write_fifo_control(u8 value);
    void store(u8 byte);

    std::array<u8, 16> fifo_{};
    u8 fifo_first_ = 0;
    u8 fifo_count_ = 0;
    u16 divisor_ = 1; ///< 115200 baud
    u8 ier_ = 0;
    u8 fcr_ = 0;
    u8 lcr_ = 3; ///< 8 bits, no parity: as a firmware would leave it
    u8 mcr_ = 0;
    u8 scr_ = 0;
    u8 overrun_ = 0;                 ///< LSR.OE
    u8 modem_delta_ = 0;             ///< MSR 3:0
    bool thr_empty_ = false;         ///< the THRE interrupt is pending: not yet reported by IIR
    u8 interrupting_ = no_interrupt; ///< IIR 3:0 for which the line is high
};

} // namespace bulkhead
