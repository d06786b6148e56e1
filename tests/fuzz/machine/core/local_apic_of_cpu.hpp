// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// In the place of core/local_apic_of_cpu.hpp, likewise: an APIC that the target looks at.
#pragma once

#include "base/result.hpp"
#include "drivers/local_apic.hpp"

namespace bulkhead {

struct ObservedApic {
    [[nodiscard]] u64 read(u32 number);
    void write(u32 number, u64 value);
    void eoi() { write(drivers::apic::EOI, 0); }
    Result<void> send_ipi(u32 destination, drivers::IpiMode mode, u8 vector = 0);
};
ObservedApic& local_apic();

} // namespace bulkhead
