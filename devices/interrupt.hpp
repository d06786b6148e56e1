// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#pragma once

#include "base/types.hpp"

namespace bulkhead {

/// What an access did to a device's interrupt line. `Raised` is a rising edge; a device also reports it while its line
/// is high already, when it needs attention anew: a driver of an edge-triggered pin would otherwise go deaf.
enum class LineEvent : u8 { None, Lowered, Raised };

/// SDM 3A 12.6.1, 82093AA 3.2.4. The modes that a guest's interrupt message may have.
enum class DeliveryMode : u8 { Fixed = 0, LowestPriority = 1, Nmi = 4 };

/// An interrupt on its way to a guest's APICs.
struct InterruptMessage {
    u32 destination = 0; ///< virtual APIC ID, or logical: 8 bits, or 15 as in KVM_FEATURE_MSI_EXT_DEST_ID
    u8 vector = 0;       ///< 16 to 255; without meaning for an NMI
    DeliveryMode delivery_mode = DeliveryMode::Fixed;
    bool logical = false; ///< destination mode
    bool level = false;   ///< trigger mode: the vCPU's EOI of `vector` must come back as IoApic::end_of_interrupt
    friend bool operator==(const InterruptMessage&, const InterruptMessage&) = default;
};

} // namespace bulkhead
