// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "drivers/local_apic.hpp"

namespace bulkhead::drivers {

u64 interrupt_command(u32 destination, IpiMode mode, u8 vector) {
    using Icr = apic::InterruptCommand;
    // Level is 1 in all but the INIT level de-assert, which no CPU of today has. SDM 3A 11.6.1
    return Icr::Destination::of(destination) | Icr::Level::mask | Icr::DeliveryMode::of(static_cast<u64>(mode)) |
           Icr::Vector::of(vector);
}

} // namespace bulkhead::drivers
