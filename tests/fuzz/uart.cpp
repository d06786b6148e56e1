// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// Any register traffic on a UART: its line follows what it reports, what comes is read in its order or lost as it says,
// and a driver can always set it up again.
#include <deque>

#include "devices/uart16550.hpp"
#include "fuzz/fuzz.hpp"

namespace bulkhead {
namespace {

using fuzz::require;

// PC16550D register numbers.
enum : u32 { DATA, IER, IIR, LCR, MCR, LSR, MSR };

/// What its receiver holds, by the data sheet: 16 bytes, or one.
struct Receiver {
    std::deque<u8> bytes;
    bool has_fifo = false, is_divisor = false, is_loop = false, overrun = false;

    void store(u8 byte) {
        if (bytes.size() < (has_fifo ? 16 : 1))
            bytes.push_back(byte);
        else
            overrun = true;
    }
    void receive(u8 byte) {
        if (!is_loop)
            store(byte);
    }
    void write(u32 reg, u8 value) {
        if (reg == DATA && !is_divisor && is_loop)
            store(value);
        if (reg == IIR && (((value & 1) != 0) != has_fifo || (value & 2) != 0)) // FCR
            bytes.clear();
        if (reg == IIR)
            has_fifo = (value & 1) != 0;
        if (reg == LCR)
            is_divisor = (value & 0x80) != 0;
        if (reg == MCR)
            is_loop = (value & 0x10) != 0;
    }
    void check_read(u32 reg, u8 value) {
        if (reg == DATA && !is_divisor) {
            require(value == (bytes.empty() ? 0 : bytes.front()), "another byte than is next");
            if (!bytes.empty())
                bytes.pop_front();
        }
        if (reg != LSR)
            return;
        require(value == (0x60 | (bytes.empty() ? 0 : 1) | (overrun ? 2 : 0)), "another line status");
        overrun = false;
    }
};

} // namespace

void fuzz::try_input(Bytes input) {
    Uart16550 uart;
    Receiver receiver;
    bool line = false;
    const auto follow = [&](LineEvent event) {
        if (event != LineEvent::None)
            line = event == LineEvent::Raised;
        require(line == uart.line(), "the line is not what was reported");
    };
    const auto read = [&](u32 reg) {
        const Uart16550::Read result = uart.read(reg);
        follow(result.line);
        receiver.check_read(reg, result.value);
    };
    Reader reader(input);
    while (!reader.empty()) {
        const u8 what = reader.take<u8>(), value = reader.take<u8>();
        const u32 reg = what & 7;
        switch (what >> 6) {
        case 0:
            read(reg);
            break;
        case 1:
            receiver.receive(value);
            follow(uart.receive(value));
            break;
        default: {
            const Uart16550::Write write = uart.write(reg, value);
            follow(write.line);
            receiver.write(reg, value);
            require(!write.emits || (reg == DATA && write.byte == value), "a byte that was not written");
        }
        }
        if ((value & 1) != 0) // else an overrun stays
            read(LSR);
    }
    for (const auto& [reg, value] : {std::pair(LCR, 3), {MCR, 8}, {IIR, 7}})
        static_cast<void>(uart.write(reg, static_cast<u8>(value)));
    for (const u32 reg : {LSR, DATA, IIR, MSR})
        static_cast<void>(uart.read(reg));
    static_cast<void>(uart.write(IER, 0));
    require(uart.read(IIR).value == 0xc1, "an interrupt after a driver's start");
    static_cast<void>(uart.write(IER, 1));
    require(uart.can_receive() && uart.receive('k') == LineEvent::Raised, "it is deaf");
    require(uart.read(DATA).value == 'k', "another byte than came");
}

std::vector<fuzz::Seed> fuzz::seeds() {
    return {{0x83, 0x83, 0x80, 1, 0x81, 0, 0x83, 3, 0x82, 7, 0x84, 0x0b, 0x81, 5, 0x40, 'a', 2, 0, 0, 0, 0x80, 'x'},
            {0x84, 0x1b, 0x80, 'l', 0, 0, 0x84, 0x0f, 6, 0, 0x81, 0x0f, 2, 0, 5, 0, 0x82, 0x81, 0x40, 1, 0x40, 2}};
}

} // namespace bulkhead
