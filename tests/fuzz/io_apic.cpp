// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// Any register traffic on the I/O APIC: it never sends what would stop or reset a CPU, and always comes to an end.
#include <algorithm>
#include <array>

#include "devices/io_apic.hpp"
#include "fuzz/fuzz.hpp"

namespace bulkhead {
namespace {

using fuzz::require;

using Redirections = std::array<u64, IoApic::pins>;
constexpr u64 mask_bit = 1 << 16, remote_irr = 1 << 14;

/// As a driver reads them; the selected register stays.
Redirections redirections(IoApic& io_apic) {
    Redirections all{};
    const u32 selected = io_apic.read(0);
    for (u32 i = 0; i < 2 * all.size(); ++i) {
        io_apic.write(0, 0x10 + i);
        all[i / 2] |= u64{io_apic.read(0x10)} << (i % 2 * 32);
    }
    io_apic.write(0, selected);
    return all;
}

/// That some pin is to send this.
bool is_programmed(IoApic& io_apic, const InterruptMessage& message) {
    return std::ranges::any_of(redirections(io_apic), [&](u64 entry) {
        return (entry & mask_bit) == 0 && (entry >> 8 & 7) == static_cast<u64>(message.delivery_mode) &&
               (message.delivery_mode == DeliveryMode::Nmi || (entry & 0xff) == message.vector);
    });
}

/// What waits for the end of this interrupt waits no more, and all else does.
void end(IoApic& io_apic, u8 vector) {
    const Redirections before = redirections(io_apic);
    io_apic.end_of_interrupt(vector);
    const Redirections after = redirections(io_apic);
    for (u32 pin = 0; pin < IoApic::pins; ++pin) {
        const bool waited = (before[pin] & remote_irr) != 0, waits = (after[pin] & remote_irr) != 0;
        require(waits == (waited && (before[pin] & 0xff) != vector), "another interrupt has ended");
    }
}

void drain(IoApic& io_apic) {
    u32 count = 0;
    while (const auto message = io_apic.next_message()) {
        require(++count <= IoApic::pins, "more messages than pins");
        require(message->delivery_mode == DeliveryMode::Nmi || message->vector >= 16, "an illegal vector");
        require(message->delivery_mode == DeliveryMode::Fixed || message->delivery_mode == DeliveryMode::Nmi ||
                    message->delivery_mode == DeliveryMode::LowestPriority,
                "an illegal mode");
        require(message->destination <= 0x7fff, "a destination of too many bits");
        require(is_programmed(io_apic, *message), "what no pin is to send");
        require(!message->level || io_apic.wants_eoi(), "an interrupt of level whose EOI is not wanted");
    }
}

} // namespace

void fuzz::try_input(Bytes input) {
    IoApic io_apic;
    Reader reader(input);
    while (!reader.empty()) {
        const u8 what = reader.take<u8>();
        switch (what & 3) {
        case 0:
            io_apic.write(0, reader.take<u8>());
            io_apic.write(0x10, reader.take<u32>());
            break;
        case 1:
            io_apic.write(reader.take<u16>(), reader.take<u32>());
            static_cast<void>(io_apic.read(reader.take<u16>()));
            break;
        case 2:
            io_apic.signal(what >> 3, (what & 4) != 0 ? LineEvent::Raised : LineEvent::Lowered);
            break;
        default:
            end(io_apic, reader.take<u8>());
        }
        drain(io_apic);
    }
    // A driver that programs a pin for edges gets each.
    for (const auto& [index, value] : {std::pair(0x19u, 0u), {0x18u, 0x10000u}, {0x18u, 0x31u}}) {
        io_apic.write(0, index);
        io_apic.write(0x10, value);
    }
    drain(io_apic);
    io_apic.signal(4, LineEvent::Lowered);
    io_apic.signal(4, LineEvent::Raised);
    const auto message = io_apic.next_message();
    require(message == InterruptMessage{0, 0x31, DeliveryMode::Fixed, false, false}, "an edge was lost");
}

std::vector<fuzz::Seed> fuzz::seeds() {
    Writer edges, levels;
    edges.number(0, 1).number(0x19, 1).number(3 << 24, 4).number(0, 1).number(0x18, 1).number(0x31, 4);
    edges.number(4 << 3 | 6, 1).number(4 << 3 | 2, 1).number(4 << 3 | 6, 1);
    levels.number(0, 1).number(0x22, 1).number(0x8051, 4).number(9 << 3 | 6, 1).number(3, 1).number(0x51, 1);
    levels.number(1, 1).number(0x40, 2).number(0x51, 4).number(0x10, 2).number(9 << 3 | 2, 1).number(3, 1);
    return {edges.seed(), levels.number(0x51, 1).seed()};
}

} // namespace bulkhead
