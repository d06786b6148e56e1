// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include <catch2/catch_test_macros.hpp>

#include "devices/pm_timer.hpp"
#include "devices/port_map.hpp"
#include "devices/power.hpp"

using namespace bulkhead;

TEST_CASE("Port map: every port is its range's device, all others are absent") {
    for (u32 port = 0; port <= 0xffff; ++port) {
        PortDevice expected = PortDevice::None;
        for (const PortRange& range : port_ranges)
            if (port >= range.first && port < u32{range.first} + range.count)
                expected = range.device;
        REQUIRE(find_port_device(static_cast<u16>(port)) == expected);
    }
    CHECK(find_port_device(0x80) == PortDevice::None);
    CHECK(find_port_device(0x3ff) == PortDevice::Uart);
    CHECK(find_port_device(0x400) == PortDevice::None);
}

TEST_CASE("Power: soft off and reset are asked for by exactly one value each") {
    for (u32 port = platform::power_port; port < platform::power_port + 8u; ++port) {
        for (u32 value = 0; value < 256; ++value) {
            PowerControl power;
            const PowerRequest request = power.write(static_cast<u16>(port), static_cast<u8>(value)).request;
            // ACPI 6.5 4.8.3.7: SLP_EN is bit 5, SLP_TYP bits 4:2.
            if (port == platform::sleep_control_port && (value & 0x3c) == (0x20 | 5 << 2))
                REQUIRE(request == PowerRequest::PowerOff);
            else if (port == platform::reset_port && value == platform::reset_value)
                REQUIRE(request == PowerRequest::Reset);
            else
                REQUIRE(request == PowerRequest::None);
        }
    }
}

TEST_CASE("Power: a sleep state that does not exist wakes at once") {
    PowerControl power;
    CHECK(power.read(platform::sleep_status_port) == 0);
    CHECK(power.write(platform::sleep_control_port, 3 << 2).request == PowerRequest::None); // without SLP_EN
    CHECK(power.read(platform::sleep_status_port) == 0);
    CHECK(power.write(platform::sleep_control_port, 0x20 | 3 << 2).request == PowerRequest::None);
    CHECK(power.read(platform::sleep_status_port) == 0x80);
    (void)power.write(platform::sleep_status_port, 0x80);
    CHECK(power.read(platform::sleep_status_port) == 0);
    CHECK(power.read(platform::sleep_control_port) == 0);
    CHECK(power.read(0x604) == 0xff);
}

TEST_CASE("Power: the button raises its line until the guest clears the event") {
    PowerControl power;
    CHECK(power.read(platform::button_port) == 0);
    CHECK(power.press_button() == LineEvent::Raised);
    CHECK(power.press_button() == LineEvent::Raised);
    CHECK(power.read(platform::button_port) == 1);
    CHECK(power.write(platform::button_port, 0).line == LineEvent::None);
    CHECK(power.read(platform::button_port) == 1);
    CHECK(power.write(platform::button_port, 1).line == LineEvent::Lowered);
    CHECK(power.write(platform::button_port, 1).line == LineEvent::None);
    CHECK(power.read(platform::button_port) == 0);
}

TEST_CASE("PM timer counts 3.579545 MHz of any TSC") {
    for (const u64 khz : {u64{4000}, u64{1'000'000}, u64{2'399'999}, u64{3'700'001}, u64{5'800'000}}) {
        const PmTimer timer(khz);
        CHECK(timer.count(0) == 0);
        for (const u64 seconds : {u64{1}, u64{60}, u64{3600}, u64{86400} * 365}) {
            const u64 exact = seconds * PmTimer::frequency_hz;
            const u32 error = static_cast<u32>(exact) - timer.count(seconds * khz * 1000);
            CHECK(error <= 1); // rounded down
        }
        // The longest TSC there is: the product has more than 128 bits if anything is wrong.
        const auto wide = static_cast<unsigned __int128>(~u64{0}) * PmTimer::frequency_hz / (khz * 1000);
        CHECK(static_cast<u32>(wide) - timer.count(~u64{0}) <= 1);
    }
}

TEST_CASE("PM timer never goes back, and stands still without a usable TSC") {
    const PmTimer timer(2'100'000);
    u32 last = 0;
    for (u64 tsc = 0; tsc < 10'000'000; tsc += 97) {
        const u32 now = timer.count(tsc);
        REQUIRE(now - last <= 1);
        last = now;
    }
    CHECK(PmTimer(0).count(12345) == 0);
    CHECK(PmTimer(3579).count(12345) == 0);
}
