// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#pragma once

#include <array>

#include "base/types.hpp"
#include "devices/interrupt.hpp"
#include "devices/platform.hpp"

namespace bulkhead {

/// The code at a PC's reset vector, FFFF:0 (0xffff0), in real mode: writes reset_value to reset_port and halts. Linux
/// jumps there when it is to restart a hardware-reduced machine without EFI, before it tries the FADT's reset register.
inline constexpr GuestPhysical reset_vector{0xffff0};
inline constexpr std::array<u8, 9> reset_vector_code{
    0xba,
    platform::reset_port & 0xff,
    platform::reset_port >> 8, // mov dx, reset_port
    0xb0,
    platform::reset_value, // mov al, reset_value
    0xee,                  // out dx, al
    0xf4,
    0xeb,
    0xfd, // hlt; jmp to it
};

/// What a guest wants of its power supply.
enum class PowerRequest : u8 { None, PowerOff, Reset };

/// The registers at platform::power_port: sleep control and status (ACPI 6.5 4.8.3.7), the FADT's reset register, and
/// the power button's event for the GED in devices/dsdt.asl.
class PowerControl {
public:
    struct Write {
        PowerRequest request = PowerRequest::None;
        LineEvent line = LineEvent::None; ///< of platform::button_pin
    };

    /// `port` is one of the eight; registers are bytes, and what is none reads as all ones.
    [[nodiscard]] u8 read(u16 port) const;
    [[nodiscard]] Write write(u16 port, u8 value);

    /// Asks the guest to shut down, as by a short press: the event for platform::button_pin.
    [[nodiscard]] LineEvent press_button();

private:
    u8 wake_status_ = 0;
    u8 button_ = 0;
};

} // namespace bulkhead
