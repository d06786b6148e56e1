// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "guests/lib/apic.hpp"
#include "guests/lib/devices.hpp"
#include "guests/lib/guest.hpp"
#include "guests/lib/traps.hpp"

// What a person types reaches a guest that idles, with no tick and no exit that anything could wait for. It says "echo:
// type a line" when it is ready.
namespace bulkhead::guest {

constexpr std::string_view name = GUEST_NAME;

namespace {

constexpr u8 vector = 0x54;

Line<100> typed;
volatile bool complete;

void on_receive(Frame&) {
    in8(uart_iir);
    while ((in8(uart_lsr) & lsr_data) != 0) {
        const char c = static_cast<char>(in8(uart_data));
        if (c == '\r' || c == '\n')
            complete = true;
        else if (!complete)
            typed << c;
    }
    end_of_interrupt();
}

} // namespace

void run() {
    enable_apic();
    set_handler(vector, on_receive);
    route_pin(uart_pin, vector);
    out8(uart_fcr, 0x01);
    out8(uart_mcr, mcr_out2 | 3);
    out8(uart_ier, ier_receive);
    cli();
    print("echo: type a line"); // not before: switching the FIFO on empties the receiver
    while (!complete) {
        sti_hlt();
        cli();
    }
    out8(uart_ier, 0);
    Line<120> note;
    note << "got \"" << typed.view() << "\"";
    check(!typed.view().empty(), "an empty line");
    finish(note.view());
}

} // namespace bulkhead::guest
