// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "devices/power.hpp"

namespace bulkhead {

namespace {

// ACPI 6.5 table 4.19, sleep control register; table 4.20, sleep status register.
constexpr u8 SLP_EN = 1 << 5;
constexpr u8 WAK_STS = 1 << 7;
constexpr u8 slp_typ(u8 value) { return value >> 2 & 7; }

constexpr u8 button_pressed = 1 << 0;

} // namespace

u8 PowerControl::read(u16 port) const {
    switch (port) {
    case platform::sleep_control_port: // SLP_EN is write-only, and SLP_TYP is acted on at once
    case platform::reset_port:
        return 0;
    case platform::sleep_status_port:
        return wake_status_;
    case platform::button_port:
        return button_;
    default:
        return 0xff;
    }
}

PowerControl::Write PowerControl::write(u16 port, u8 value) {
    switch (port) {
    case platform::sleep_control_port:
        if ((value & SLP_EN) != 0 && slp_typ(value) == platform::soft_off_type)
            return {PowerRequest::PowerOff};
        // No other sleep state exists in our DSDT: whoever asks for one is awake again at once.
        if ((value & SLP_EN) != 0)
            wake_status_ = WAK_STS;
        return {};
    case platform::sleep_status_port:
        wake_status_ &= static_cast<u8>(~(value & WAK_STS));
        return {};
    case platform::reset_port:
        return {value == platform::reset_value ? PowerRequest::Reset : PowerRequest::None};
    case platform::button_port: {
        const bool cleared = (button_ & value & button_pressed) != 0;
        button_ &= static_cast<u8>(~value);
        return {PowerRequest::None, cleared ? LineEvent::Lowered : LineEvent::None};
    }
    default:
        return {};
    }
}

LineEvent PowerControl::press_button() {
    button_ |= button_pressed;
    return LineEvent::Raised;
}

} // namespace bulkhead
