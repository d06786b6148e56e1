// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#pragma once

#include "base/types.hpp"
#include "devices/interrupt.hpp"
#include "devices/platform.hpp"

namespace bulkhead {

/// What a guest wants of its power supply.
enum class PowerRequest : u8 { None, PowerOff, Reset };

/// The registers at platform::power_port: sleep control and status (ACPI 6.5 4.8.3.7), the FADT's reset register, and
/// the power button's event for the GED in boot/guest/dsdt.asl.
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
