// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// Any register traffic on a UART: its line follows what it reports, and a driver can always set it up again.
#include "devices/uart16550.hpp"
#include "fuzz/fuzz.hpp"

namespace bulkhead {
namespace {

using fuzz::require;

// PC16550D register numbers.
enum : u32 { DATA, IER, IIR, LCR, MCR, LSR, MSR };

} // namespace

void fuzz::try_input(Bytes input) {
    Uart16550 uart;
    bool line = false;
    const auto follow = [&](LineEvent event) {
        if (event != LineEvent::None)
            line = event == LineEvent::Raised;
        require(line == uart.line(), "the line is not what was reported");
    };
    Reader reader(input);
    while (!reader.empty()) {
        const u8 what = reader.take<u8>(), value = reader.take<u8>();
        const u32 reg = what & 7;
        switch (what >> 6) {
        case 0:
            follow(uart.read(reg).line);
            break;
        case 1:
            follow(uart.receive(value));
            break;
        default: {
            const Uart16550::Write write = uart.write(reg, value);
            follow(write.line);
            require(!write.emits || (reg == DATA && write.byte == value), "a byte that was not written");
        }
        }
        const Uart16550::Read status = uart.read(LSR);
        follow(status.line);
        require((status.value & 0x60) == 0x60, "its transmitter is not empty");
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
