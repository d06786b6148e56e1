// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#pragma once

#include <algorithm>
#include <optional>
#include <span>

#include "base/bit_field.hpp"
#include "base/hardware.hpp"
#include "base/result.hpp"
#include "boot/boot_info.hpp"

namespace bulkhead::drivers {

/// Where an ISA interrupt arrives, and how.
struct IsaInterrupt {
    u32 gsi = 0;
    bool active_low = false;
    bool level = false;
    friend constexpr bool operator==(const IsaInterrupt&, const IsaInterrupt&) = default;
};

/// Applies the MADT's overrides: without one an ISA interrupt is its own GSI, edge, active high. ACPI 6.5 5.2.12.5
[[nodiscard]] IsaInterrupt find_isa_interrupt(u32 irq, std::span<const InterruptOverride> overrides);

/// A pin of one of the machine's I/O APICs.
struct IoApicPin {
    std::size_t io_apic = 0; ///< index into the list
    u32 pin = 0;
    friend constexpr bool operator==(const IoApicPin&, const IoApicPin&) = default;
};

/// The I/O APIC with the highest base not above `gsi`: whether it has that many pins, only its registers know.
[[nodiscard]] std::optional<IoApicPin> find_io_apic_pin(u32 gsi, std::span<const IoApicInfo> io_apics);

/// A redirection table entry. 82093AA 3.2.4
struct RedirectionEntry {
    using Vector = BitField<7, 0>;
    using DeliveryMode = BitField<10, 8>;
    using DestinationMode = BitField<11>; // 0: physical
    using ActiveLow = BitField<13>;
    using Level = BitField<15>;
    using Mask = BitField<16>;
    using Destination = BitField<63, 56>;
    static constexpr u64 nmi = 4;
};

/// An I/O APIC of the machine (Intel 82093AA and what came after it). Its registers are behind an index: one CPU at a
/// time uses it, and no NMI handler.
template <MmioAccess Mmio> class IoApic {
public:
    explicit IoApic(Mmio& mmio) : mmio_(&mmio) {}

    /// Number of pins, 1 to 120: the index has 8 bits.
    [[nodiscard]] u32 pins() {
        return std::min(static_cast<u32>(MaxRedirectionEntry::in(read(version))) + 1, (0x100u - low(0)) / 2);
    }

    /// Makes an edge of `pin` an NMI of the CPU with that physical APIC ID. `active_low`: the edge is a falling one.
    /// Errors: no such pin; an ID above 254, which an I/O APIC cannot name without interrupt remapping.
    [[nodiscard]] Result<void> route_nmi(u32 pin, u32 apic_id, bool active_low);

    /// Errors: no such pin.
    [[nodiscard]] Result<void> mask(u32 pin);

private:
    static constexpr u32 index_offset = 0x00;
    static constexpr u32 data_offset = 0x10;
    static constexpr u32 version = 0x01;
    using MaxRedirectionEntry = BitField<23, 16>;

    static constexpr u32 low(u32 pin) { return 0x10 + 2 * pin; }
    static constexpr u32 high(u32 pin) { return low(pin) + 1; }

    u32 read(u32 index) {
        mmio_->write(index_offset, index);
        return mmio_->read(data_offset);
    }
    void write(u32 index, u32 value) {
        mmio_->write(index_offset, index);
        mmio_->write(data_offset, value);
    }

    Mmio* mmio_;
};

template <MmioAccess Mmio> Result<void> IoApic<Mmio>::route_nmi(u32 pin, u32 apic_id, bool active_low) {
    using Entry = RedirectionEntry;
    if (apic_id > 254)
        return fail("I/O APIC: it reaches only APIC IDs 0 to 254", apic_id);
    if (const auto masked = mask(pin); !masked)
        return masked;
    const u64 entry =
        Entry::DeliveryMode::of(Entry::nmi) | Entry::ActiveLow::of(active_low) | Entry::Destination::of(apic_id);
    write(high(pin), static_cast<u32>(entry >> 32));
    write(low(pin), static_cast<u32>(entry));
    return {};
}

template <MmioAccess Mmio> Result<void> IoApic<Mmio>::mask(u32 pin) {
    if (pin >= pins())
        return fail("I/O APIC: it has no such pin", pin);
    write(low(pin), static_cast<u32>(RedirectionEntry::Mask::mask));
    return {};
}

} // namespace bulkhead::drivers
