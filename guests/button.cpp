// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "devices/platform.hpp"
#include "guests/lib/apic.hpp"
#include "guests/lib/devices.hpp"
#include "guests/lib/guest.hpp"
#include "guests/lib/traps.hpp"

// Idles until its power button is pressed, then shuts down as asked. Whoever types "shutdown button" is part of the
// test.
namespace bulkhead::guest {

constexpr std::string_view name = GUEST_NAME;

namespace {

constexpr u8 vector = 0x55;
volatile u64 presses;

void on_button(Frame&) {
    check_equal(in8(platform::button_port), 1, "the button's event");
    out8(platform::button_port, 1);
    check_equal(in8(platform::button_port), 0, "the event, once it is cleared");
    presses = presses + 1;
    end_of_interrupt();
}

} // namespace

void run() {
    enable_apic();
    set_handler(vector, on_button);
    check_equal(in8(platform::button_port), 0, "an event before the button was pressed");
    route_pin(platform::button_pin, vector);
    cli();
    print("press my button");
    while (presses == 0) {
        sti_hlt();
        cli();
    }
    check_equal(presses, 1, "presses");
}

} // namespace bulkhead::guest
