// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "drivers/io_apic.hpp"

namespace bulkhead::drivers {

IsaInterrupt find_isa_interrupt(u32 irq, std::span<const InterruptOverride> overrides) {
    for (const InterruptOverride& entry : overrides)
        if (entry.isa_irq == irq)
            return {.gsi = entry.gsi, .active_low = entry.active_low != 0, .level = entry.level != 0};
    return {.gsi = irq};
}

std::optional<IoApicPin> find_io_apic_pin(u32 gsi, std::span<const IoApicInfo> io_apics) {
    std::optional<IoApicPin> best;
    for (std::size_t i = 0; i < io_apics.size(); ++i) {
        const u32 base = io_apics[i].gsi_base;
        if (base <= gsi && (!best || gsi - base < best->pin))
            best = IoApicPin{.io_apic = i, .pin = gsi - base};
    }
    return best;
}

} // namespace bulkhead::drivers
