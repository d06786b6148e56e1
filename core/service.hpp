// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#pragma once

#include "base/result.hpp"
#include "drivers/io_apic.hpp"

namespace bulkhead {

/// Which CPU drains the consoles: the one that the configuration names, else one that no guest owns, else the first
/// that a guest has; of those that are there. Guests that share the machine fully lose a little of that core.
u32 choose_service_cpu();

/// Before any guest runs: each guest gets the serial port that the configuration gives it. Where that does not work a
/// line says why, and the guest shares the hypervisor's.
void open_guest_ports();

/// On the service CPU, once all is built: from here on the consoles are served by interrupts, and the clock runs.
void start_service();

/// A pin of an I/O APIC whose edges are NMIs of ours.
struct NmiPin {
    HostPhysical io_apic; ///< its registers
    u32 pin = 0;
    bool active_low = false;
};
/// Where an interrupt arrives. While booting.
Result<NmiPin> find_nmi_pin(const drivers::IsaInterrupt& interrupt);
/// To the CPU with that physical APIC ID, at most 254; or to none. One CPU at a time: it changes an index that selects the
/// register. Errors: the I/O APIC has no such pin.
Result<void> route_nmi(const NmiPin& pin, u32 apic_id);
Result<void> mask_nmi(const NmiPin& pin);

} // namespace bulkhead
