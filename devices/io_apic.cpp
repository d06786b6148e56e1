// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "devices/io_apic.hpp"

#include <algorithm>
#include <bit>

#include "base/bit_field.hpp"

namespace bulkhead {

namespace {

// Memory-mapped registers (82093AA 3.1; the EOI register is that of the ICH and later).
enum Offset : u8 { IOREGSEL = 0x00, IOWIN = 0x10, EOI = 0x40 };
// Behind IOREGSEL (82093AA 3.2).
enum Index : u8 { IOAPICID = 0x00, IOAPICVER = 0x01, IOAPICARB = 0x02, IOREDTBL = 0x10 };

constexpr u32 version = 0x20 | (IoApic::pins - 1) << 16;
constexpr u32 id_mask = 0x0f00'0000;

/// IOREDTBL (82093AA 3.2.4).
struct Redirection {
    using Vector = BitField<7, 0>;
    using Mode = BitField<10, 8>;
    using Logical = BitField<11>;
    using DeliveryStatus = BitField<12>;
    using RemoteIrr = BitField<14>;
    using Level = BitField<15>;
    using Mask = BitField<16>;
    using ExtendedDestination = BitField<55, 49>; // KVM_FEATURE_MSI_EXT_DEST_ID; bit 48 would be the remappable format
    using Destination = BitField<63, 56>;
    static constexpr u64 read_only = RemoteIrr::mask | DeliveryStatus::mask;

    u64 word;

    [[nodiscard]] constexpr u8 vector() const { return static_cast<u8>(Vector::in(word)); }
    [[nodiscard]] constexpr bool masked() const { return Mask::in(word) != 0; }
    [[nodiscard]] constexpr bool logical() const { return Logical::in(word) != 0; }
    [[nodiscard]] constexpr bool awaits_eoi() const { return RemoteIrr::in(word) != 0; }
    [[nodiscard]] constexpr bool nmi() const { return Mode::in(word) == static_cast<u64>(DeliveryMode::Nmi); }
    /// An NMI is an edge, whatever the trigger mode says.
    [[nodiscard]] constexpr bool level() const { return Level::in(word) != 0 && !nmi(); }
    [[nodiscard]] constexpr u32 destination() const {
        return static_cast<u32>(Destination::in(word) | ExtendedDestination::in(word) << 8);
    }
    [[nodiscard]] constexpr std::optional<DeliveryMode> allowed_mode() const {
        const u64 mode = Mode::in(word);
        if (nmi() || (mode <= static_cast<u64>(DeliveryMode::LowestPriority) && vector() >= 16))
            return static_cast<DeliveryMode>(mode);
        return std::nullopt;
    }
};

} // namespace

u32 IoApic::read(u32 offset) const {
    switch (offset) {
    case IOREGSEL:
        return ioregsel_;
    case IOWIN:
        return read_register();
    default:
        return 0;
    }
}

void IoApic::write(u32 offset, u32 value) {
    switch (offset) {
    case IOREGSEL:
        ioregsel_ = static_cast<u8>(value);
        return;
    case IOWIN:
        return write_register(value);
    case EOI:
        return end_of_interrupt(static_cast<u8>(value));
    default:
        return;
    }
}

u32 IoApic::read_register() const {
    const u32 pin = (ioregsel_ - IOREDTBL) / 2u; // wraps to a large number below IOREDTBL
    if (pin < pins)
        return static_cast<u32>(redirection_[pin] >> (32 * (ioregsel_ % 2)));
    switch (ioregsel_) {
    case IOAPICID:
    case IOAPICARB:
        return id_;
    case IOAPICVER:
        return version;
    default:
        return 0;
    }
}

void IoApic::write_register(u32 value) {
    if (ioregsel_ == IOAPICID)
        id_ = value & id_mask;
    const u32 pin = (ioregsel_ - IOREDTBL) / 2u;
    if (pin >= pins)
        return;
    u64& entry = redirection_[pin];
    if (ioregsel_ % 2 != 0)
        entry = (entry & 0xffff'ffff) | u64{value} << 32;
    else
        entry = (entry & (~u64{0xffff'ffff} | Redirection::read_only)) | (value & ~Redirection::read_only);
    // Switching to edge and back is how software without an EOI register clears the remote IRR.
    if (Redirection{entry}.level())
        latched_ &= ~(1u << pin);
    else
        entry &= ~Redirection::RemoteIrr::mask;
    update(pin);
}

bool IoApic::ready(u32 pin) const {
    const Redirection entry{redirection_[pin]};
    const u32 bit = 1u << pin;
    if (entry.masked())
        return false;
    return entry.level() ? (active_ & bit) != 0 && !entry.awaits_eoi() : (latched_ & bit) != 0;
}

void IoApic::update(u32 pin) {
    const u32 bit = 1u << pin;
    ready_ = ready(pin) ? ready_ | bit : ready_ & ~bit;
}

void IoApic::signal(u32 pin, LineEvent event) {
    if (pin >= pins || event == LineEvent::None)
        return;
    const u32 bit = 1u << pin;
    if (event == LineEvent::Lowered) {
        active_ &= ~bit;
    } else {
        active_ |= bit;
        if (!Redirection{redirection_[pin]}.level())
            latched_ |= bit;
    }
    update(pin);
}

void IoApic::end_of_interrupt(u8 vector) {
    for (u32 pin = 0; pin < pins; ++pin) {
        const Redirection entry{redirection_[pin]};
        if (!entry.awaits_eoi() || entry.vector() != vector)
            continue;
        redirection_[pin] &= ~Redirection::RemoteIrr::mask;
        update(pin);
    }
}

bool IoApic::wants_eoi() const {
    return std::ranges::any_of(redirection_, [](u64 word) {
        const Redirection entry{word};
        return entry.level() && (!entry.masked() || entry.awaits_eoi());
    });
}

std::optional<InterruptMessage> IoApic::next_message() {
    while (ready_ != 0) {
        const u32 pin = static_cast<u32>(std::countr_zero(ready_));
        const u32 bit = 1u << pin;
        const Redirection entry{redirection_[pin]};
        ready_ &= ~bit;
        latched_ &= ~bit;
        const std::optional<DeliveryMode> mode = entry.allowed_mode();
        if (!mode) {
            ++refused_;
            continue;
        }
        if (entry.level())
            redirection_[pin] |= Redirection::RemoteIrr::mask;
        return InterruptMessage{entry.destination(), entry.vector(), *mode, entry.logical(), entry.level()};
    }
    return std::nullopt;
}

} // namespace bulkhead
