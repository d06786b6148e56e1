// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "devices/uart16550.hpp"

#include <catch2/catch_test_macros.hpp>

using namespace bulkhead;

namespace {

// PC16550D register numbers and bits, spelled out apart from the model's own.
enum : u32 { DATA, IER, IIR, LCR, MCR, LSR, MSR, SCR };
constexpr u32 FCR = IIR;
constexpr u8 rx_interrupt = 1, tx_interrupt = 2, line_interrupt = 4, modem_interrupt = 8;
constexpr u8 out2 = 8, rts_out2_dtr = 0x0b;

/// A UART as a driver has set it up: FIFOs on with trigger level 8, OUT2 open.
Uart16550 running(u8 interrupts) {
    Uart16550 uart;
    (void)uart.write(FCR, 0x81);
    (void)uart.write(MCR, rts_out2_dtr);
    (void)uart.read(MSR);
    (void)uart.write(IER, interrupts);
    return uart;
}

} // namespace

TEST_CASE("UART sends what is written and its transmitter is always empty") {
    Uart16550 uart;
    for (u32 i = 0; i < 100; ++i) {
        const auto written = uart.write(DATA, static_cast<u8>(i));
        CHECK(written.emits);
        CHECK(written.byte == i);
        CHECK(uart.read(LSR).value == 0x60);
    }
    CHECK_FALSE(uart.write(SCR, 0x5a).emits);
    CHECK(uart.read(SCR).value == 0x5a);
}

TEST_CASE("UART keeps its divisor behind DLAB") {
    Uart16550 uart;
    (void)uart.write(LCR, 0x83);
    CHECK_FALSE(uart.write(DATA, 0x34).emits);
    (void)uart.write(IER, 0x12);
    CHECK(uart.read(DATA).value == 0x34);
    CHECK(uart.read(IER).value == 0x12);
    (void)uart.write(LCR, 0x03);
    CHECK(uart.read(IER).value == 0);
    CHECK(uart.read(LCR).value == 0x03);
}

TEST_CASE("UART passes the steps of Linux' 8250 autoconfig as a plain 16550A") {
    Uart16550 uart;
    (void)uart.write(IER, 0);
    CHECK(uart.read(IER).value == 0);
    (void)uart.write(IER, 0xff);
    CHECK(uart.read(IER).value == 0x0f);
    (void)uart.write(IER, 0);
    (void)uart.write(MCR, 0x1a); // LOOP, OUT2, RTS
    CHECK((uart.read(MSR).value & 0xf0) == 0x90);
    (void)uart.write(MCR, 0x15); // LOOP, OUT1, DTR
    CHECK((uart.read(MSR).value & 0xf0) == 0x60);
    (void)uart.write(MCR, 0);
    CHECK((uart.read(MSR).value & 0xf0) == 0xb0);
    (void)uart.write(FCR, 1);
    CHECK(uart.read(IIR).value == 0xc1);
    (void)uart.write(FCR, 0x21); // the 64-byte FIFO of a 16750 must not appear
    CHECK(uart.read(IIR).value == 0xc1);
    for (const u8 lcr : {0x80, 0xbf, 0xe0}) { // no enhanced registers behind any of these
        (void)uart.write(LCR, lcr);
        CHECK(uart.read(IIR).value == 0xc1);
        CHECK((uart.read(IIR).value & 0x10) == 0);
    }
    (void)uart.write(LCR, 0);
    (void)uart.write(IER, 0x40); // XScale's UUE
    CHECK(uart.read(IER).value == 0);
}

TEST_CASE("UART loopback counts a FIFO of 16 and reports the overrun") {
    Uart16550 uart;
    (void)uart.write(FCR, 1);
    (void)uart.write(MCR, 0x10);
    for (u32 i = 0; i < 256; ++i)
        CHECK_FALSE(uart.write(DATA, static_cast<u8>(i)).emits);
    CHECK(uart.read(LSR).value == 0x63);
    u32 count = 0;
    while ((uart.read(LSR).value & 1) != 0)
        CHECK(uart.read(DATA).value == count++);
    CHECK(count == 16);
    CHECK_FALSE(uart.can_receive()); // the wire is not connected
    (void)uart.receive(1);
    CHECK((uart.read(LSR).value & 1) == 0);
}

TEST_CASE("UART receives as much as its FIFO holds") {
    Uart16550 uart = running(0);
    u32 count = 0;
    for (; uart.can_receive(); ++count)
        (void)uart.receive(static_cast<u8>(count));
    CHECK(count == 16);
    (void)uart.receive(99);
    CHECK(uart.read(LSR).value == 0x63);
    CHECK(uart.read(LSR).value == 0x61);
    for (u32 i = 0; i < 16; ++i)
        CHECK(uart.read(DATA).value == i);
    CHECK(uart.read(DATA).value == 0);
    CHECK(uart.can_receive());

    (void)uart.write(FCR, 0); // a 16450 has room for one
    (void)uart.receive(7);
    CHECK_FALSE(uart.can_receive());
    (void)uart.write(FCR, 0x01);
    CHECK(uart.read(LSR).value == 0x60); // switching the FIFO on empties it
    (void)uart.receive(7);
    (void)uart.write(FCR, 0x03);
    CHECK(uart.read(LSR).value == 0x60); // so does RCVR FIFO RESET
}

TEST_CASE("UART interrupts when a byte comes, and until it is read") {
    Uart16550 uart = running(rx_interrupt);
    CHECK(uart.receive('a') == LineEvent::Raised);
    CHECK(uart.read(IIR).value == 0xcc); // below the trigger level: timeout
    CHECK(uart.receive('b') == LineEvent::None);
    CHECK(uart.read(DATA).line == LineEvent::None);
    CHECK(uart.line());
    CHECK(uart.read(DATA).line == LineEvent::Lowered);
    CHECK(uart.read(IIR).value == 0xc1);
    for (u8 i = 0; i < 8; ++i)
        (void)uart.receive(i);
    CHECK(uart.read(IIR).value == 0xc4);
}

TEST_CASE("UART raises THRE on enabling, drops it on IIR, and raises it again after each byte") {
    Uart16550 uart = running(0);
    CHECK(uart.write(IER, tx_interrupt).line == LineEvent::Raised);
    const auto first = uart.read(IIR);
    CHECK(first.value == 0xc2);
    CHECK(first.line == LineEvent::Lowered);
    CHECK(uart.read(IIR).value == 0xc1);
    CHECK(uart.write(DATA, 'x').line == LineEvent::Raised);
    CHECK(uart.write(DATA, 'y').line == LineEvent::None); // the edge before it still stands
    CHECK(uart.read(IIR).value == 0xc2);
    // Linux' test for UARTs that do not reassert THRE: off, on again, although it was acknowledged.
    CHECK(uart.write(IER, 0).line == LineEvent::None);
    CHECK(uart.write(IER, tx_interrupt).line == LineEvent::Raised);
    CHECK(uart.read(IIR).value == 0xc2);
}

TEST_CASE("UART gives a new edge when one cause ends and another waits") {
    Uart16550 uart = running(rx_interrupt | tx_interrupt);
    CHECK(uart.line()); // THRE
    CHECK(uart.receive('a') == LineEvent::Raised);
    CHECK(uart.read(IIR).value == 0xcc);
    CHECK(uart.read(DATA).line == LineEvent::Raised); // THRE is still to be served
    CHECK(uart.read(IIR).line == LineEvent::Lowered);
}

TEST_CASE("UART reports causes in the order of their priority") {
    Uart16550 uart = running(0);
    for (u32 i = 0; i < 17; ++i)
        (void)uart.receive(0);
    (void)uart.write(MCR, out2 | 0x10); // loopback drops CTS and DSR: deltas
    (void)uart.write(MCR, out2);
    (void)uart.write(IER, rx_interrupt | tx_interrupt | line_interrupt | modem_interrupt);
    CHECK(uart.read(IIR).value == 0xc6);
    CHECK((uart.read(LSR).value & 2) != 0);
    CHECK(uart.read(IIR).value == 0xc4);
    (void)uart.write(FCR, 0x83);
    CHECK(uart.read(IIR).value == 0xc2);
    CHECK(uart.read(IIR).value == 0xc0);
    CHECK(uart.read(MSR).value == 0xb3);
    CHECK(uart.read(MSR).value == 0xb0);
    CHECK(uart.read(IIR).value == 0xc1);
    CHECK_FALSE(uart.line());
}

TEST_CASE("UART reports only the trailing edge of a ring") {
    Uart16550 uart;
    (void)uart.write(MCR, 0x10);
    (void)uart.read(MSR);
    (void)uart.write(MCR, 0x14);
    CHECK(uart.read(MSR).value == 0x40);
    (void)uart.write(MCR, 0x10);
    CHECK(uart.read(MSR).value == 0x04);
}

TEST_CASE("UART interrupts only while OUT2 is open, and opening it late loses nothing") {
    Uart16550 uart;
    CHECK(uart.write(IER, rx_interrupt).line == LineEvent::None);
    CHECK(uart.receive('a') == LineEvent::None);
    CHECK_FALSE(uart.line());
    CHECK(uart.write(MCR, out2).line == LineEvent::Raised);
    CHECK(uart.write(MCR, out2 | 0x10).line == LineEvent::Lowered);
    CHECK(uart.write(MCR, out2).line == LineEvent::Raised);
}

TEST_CASE("UART: any sequence of accesses keeps line and IIR in agreement") {
    Uart16550 uart;
    bool line = false;
    u32 random = 1;
    const auto follow = [&](LineEvent event) {
        if (event != LineEvent::None)
            line = event == LineEvent::Raised;
    };
    for (u32 i = 0; i < 200'000; ++i) {
        random = random * 1664525 + 1013904223;
        const u32 reg = random >> 28; // beyond 7 as well
        const u8 value = static_cast<u8>(random >> 12);
        if (reg < 6)
            follow(uart.read(random >> 20).line);
        else if (reg < 14)
            follow(uart.write(random >> 20, value).line);
        else
            follow(uart.receive(value));
        REQUIRE(line == uart.line());
    }
    // From whatever state this is, a driver's start-up gives a working port.
    (void)uart.write(LCR, 3);
    (void)uart.write(MCR, out2);
    (void)uart.write(FCR, 7);
    for (const u32 reg : {LSR, DATA, IIR, MSR})
        (void)uart.read(reg);
    (void)uart.write(IER, 0);
    CHECK(uart.read(IIR).value == 0xc1);
    (void)uart.write(IER, rx_interrupt);
    CHECK(uart.receive('k') == LineEvent::Raised);
    CHECK(uart.read(DATA).value == 'k');
}
