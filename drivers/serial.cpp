// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "drivers/serial.hpp"

namespace bulkhead::drivers {

Result<u16> serial_divisor(u32 baud) {
    constexpr u32 clock = 115'200; // 1.8432 MHz / 16
    if (baud == 0 || clock % baud != 0 || clock / baud > 0xffff)
        return fail("serial port: the baud rate must be 115200 divided by a whole number", baud);
    return static_cast<u16>(clock / baud);
}

} // namespace bulkhead::drivers
