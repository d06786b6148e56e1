// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#pragma once

#include <array>
#include <optional>

#include "base/types.hpp"
#include "devices/interrupt.hpp"
#include "mm/guest_layout.hpp"

namespace bulkhead {

/// The guest's I/O APIC: 24 pins, version 0x20 (82093AA, with the EOI register of its successors).
/// Whatever changes its state may make pins ready to interrupt; the caller then fetches messages until there are none:
///     io_apic.signal(4, event);
///     while (auto message = io_apic.next_message()) send(*message);
/// It has no lock: the guest's vCPUs take turns, which is their caller's business.
///
/// An edge on a masked pin is kept and delivered when the guest unmasks it. The 82093AA (3.2.4) ignores it, but then a
/// driver that masks its pin for a moment could wait for ever; one kept too many is a spurious interrupt.
class IoApic {
public:
    static constexpr GuestPhysical base = guest_layout::io_apic;
    static constexpr u64 size = page_size;
    static constexpr u32 pins = 24;

    /// `offset` from `base`. As in KVM, an access of 1 or 2 bytes sees the low part of a register, and writes it zero-
    /// extended; 8 bytes count as 4. Anything but IOREGSEL, IOWIN and EOI reads 0.
    [[nodiscard]] u32 read(u32 offset) const;
    void write(u32 offset, u32 value);

    /// `pin` below `pins`, else nothing happens. A pin programmed for edge latches each Raised; one programmed for
    /// level interrupts as long as the line was not Lowered. A line is active or not: the polarity bit inverts nothing.
    void signal(u32 pin, LineEvent event);

    /// A vCPU ended a level-triggered interrupt of this vector: pins whose line is still active interrupt again.
    void end_of_interrupt(u8 vector);

    /// The next interrupt that is to be sent. Never one with a vector below 16 or of mode SMI, INIT or ExtINT: those
    /// are dropped and counted.
    [[nodiscard]] std::optional<InterruptMessage> next_message();

    [[nodiscard]] u32 refused() const { return refused_; }
    /// Whether vCPUs' EOIs matter: some pin is level-triggered, and open or waiting for one.
    [[nodiscard]] bool wants_eoi() const;

private:
    [[nodiscard]] u32 read_register() const;
    void write_register(u32 value);
    [[nodiscard]] bool ready(u32 pin) const;
    void update(u32 pin);

    std::array<u64, pins> redirection_ = masked_at_reset();
    u32 active_ = 0;  ///< lines that are high
    u32 latched_ = 0; ///< edges that were not yet delivered
    u32 ready_ = 0;   ///< pins that next_message() has to look at
    u32 refused_ = 0;
    u32 id_ = 0; ///< IOAPICID 27:24 in place
    u8 ioregsel_ = 0;

    static constexpr std::array<u64, pins> masked_at_reset() {
        std::array<u64, pins> entries{};
        entries.fill(u64{1} << 16);
        return entries;
    }
};

} // namespace bulkhead
