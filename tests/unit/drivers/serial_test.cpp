// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "drivers/serial.hpp"

#include <string>

#include <catch2/catch_test_macros.hpp>

#include "fakes/uart.hpp"

using namespace bulkhead;
using drivers::SerialPort;

namespace {

std::string drained(SerialPort<fakes::Uart>& port) {
    std::string bytes;
    CHECK_FALSE(port.drain([&bytes](char c) { bytes += c; }));
    return bytes;
}

} // namespace

TEST_CASE("SerialPort sets the line up") {
    fakes::Uart uart;
    uart.ier = 0xf;
    SerialPort port(uart, fakes::Uart::base);
    REQUIRE(port.init(12));
    CHECK(uart.divisor == 12);
    CHECK(uart.lcr == 0x03);
    CHECK(uart.ier == 0);
    CHECK((uart.fcr & 1) == 1);
    CHECK(uart.mcr == 0x0b);
}

TEST_CASE("SerialPort leaves firmware's parameters alone if it is told so") {
    fakes::Uart uart;
    uart.divisor = 7;
    uart.lcr = 0x9b; // with the divisor latch left open
    SerialPort port(uart, fakes::Uart::base);
    REQUIRE(port.init(0));
    CHECK(uart.divisor == 7);
    CHECK(uart.lcr == 0x1b);
}

TEST_CASE("SerialPort refuses what is no UART") {
    fakes::NoPorts nothing;
    CHECK_FALSE(SerialPort(nothing, 0x2f8).init(1));
}

TEST_CASE("SerialPort sends byte by byte, and gives up on a transmitter that is stuck") {
    fakes::Uart uart;
    SerialPort port(uart, fakes::Uart::base);
    REQUIRE(port.init(1));
    CHECK(port.put('a'));
    CHECK(port.put('b'));
    uart.transmits = false;
    CHECK(port.put('c'));
    CHECK_FALSE(port.put('d'));
    CHECK(uart.sent == "abc");
}

TEST_CASE("SerialPort fills the FIFO when it is empty, and never waits") {
    fakes::Uart uart;
    uart.transmits = false;
    SerialPort port(uart, fakes::Uart::base);
    REQUIRE(port.init(1));
    CHECK(port.transmit("") == 0);
    CHECK(port.transmit("0123456789abcdefXYZ") == 16);
    CHECK(port.transmit("more") == 0);
    uart.transmitted();
    CHECK(port.transmit("more") == 4);
    CHECK(uart.sent == "0123456789abcdefmore");

    fakes::Uart old;
    old.has_fifo = false;
    old.transmits = false;
    SerialPort old_port(old, fakes::Uart::base);
    REQUIRE(old_port.init(1));
    CHECK(old_port.transmit("ab") == 1);
    CHECK(old.sent == "a");
}

TEST_CASE("SerialPort drains until the interrupt line is down, so that the next byte makes an edge") {
    fakes::Uart uart;
    uart.transmits = false;
    SerialPort port(uart, fakes::Uart::base);
    REQUIRE(port.init(1));
    port.set_interrupts(true, true);
    CHECK(uart.edges == 1); // the transmitter is empty
    for (const char c : std::string("hello"))
        uart.receive(c);
    CHECK(uart.edges == 1);
    CHECK(drained(port) == "hello");
    CHECK_FALSE(uart.line());
    uart.receive('!');
    CHECK(uart.edges == 2);
    CHECK(drained(port) == "!");
    CHECK_FALSE(uart.line());
    CHECK(drained(port).empty());

    CHECK(port.transmit("x") == 1);
    uart.transmitted();
    CHECK(uart.line());
    CHECK(drained(port).empty());
    port.set_interrupts(true, false);
    CHECK(uart.ier == 1);
}

TEST_CASE("SerialPort takes bytes that come while it drains, and drops breaks") {
    fakes::Uart uart;
    SerialPort port(uart, fakes::Uart::base);
    REQUIRE(port.init(1));
    port.set_interrupts(true, false);
    uart.receive('a');
    uart.receive('\0', true);
    std::string bytes;
    port.drain([&](char c) {
        bytes += c;
        if (c == 'a')
            uart.receive('b');
    });
    CHECK(bytes == "ab");
    CHECK_FALSE(uart.line());
}

TEST_CASE("SerialPort says that bytes were lost which came while it was busy") {
    fakes::Uart uart;
    SerialPort port(uart, fakes::Uart::base);
    REQUIRE(port.init(1));
    port.set_interrupts(true, false);
    uart.receive('a');
    std::string bytes;
    CHECK(port.drain([&](char c) {
        bytes += c;
        for (char next = 'b'; c == 'a' && next <= 'z'; ++next)
            uart.receive(next);
    }));
    CHECK(bytes == "abcdefghijklmnopq");
    CHECK(drained(port).empty());
}

TEST_CASE("SerialPort ends with an interrupt that never goes away, and makes a new edge for it") {
    fakes::Uart uart;
    SerialPort port(uart, fakes::Uart::base);
    REQUIRE(port.init(1));
    uart.stuck_interrupt = true;
    port.set_interrupts(true, false);
    CHECK(uart.edges == 1);
    CHECK(drained(port).empty());
    CHECK(uart.edges == 2);
    CHECK(uart.ier == 1);
}
