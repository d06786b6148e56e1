// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "devices/io_apic.hpp"

#include <catch2/catch_test_macros.hpp>

using namespace bulkhead;

namespace {

constexpr u32 IOREGSEL = 0, IOWIN = 0x10, EOI = 0x40;
constexpr u64 level = 1 << 15, masked = 1 << 16, remote_irr = 1 << 14;

void write_register(IoApic& io_apic, u32 index, u32 value) {
    io_apic.write(IOREGSEL, index);
    io_apic.write(IOWIN, value);
}

u32 read_register(IoApic& io_apic, u32 index) {
    io_apic.write(IOREGSEL, index);
    return io_apic.read(IOWIN);
}

/// As Linux does: the high half first.
void program(IoApic& io_apic, u32 pin, u64 entry) {
    write_register(io_apic, 0x11 + 2 * pin, static_cast<u32>(entry >> 32));
    write_register(io_apic, 0x10 + 2 * pin, static_cast<u32>(entry));
}

u64 entry_of(IoApic& io_apic, u32 pin) {
    return read_register(io_apic, 0x10 + 2 * pin) | u64{read_register(io_apic, 0x11 + 2 * pin)} << 32;
}

} // namespace

TEST_CASE("IOAPIC shows 24 masked pins and version 0x20") {
    IoApic io_apic;
    CHECK(read_register(io_apic, 1) == 0x0017'0020);
    CHECK(read_register(io_apic, 0) == 0);
    write_register(io_apic, 0, 0xffff'ffff);
    CHECK(read_register(io_apic, 0) == 0x0f00'0000);
    for (u32 pin = 0; pin < 24; ++pin)
        CHECK(entry_of(io_apic, pin) == masked);
    CHECK(io_apic.read(IOREGSEL) == 0x3f);
    CHECK(read_register(io_apic, 0x40) == 0); // behind the last pin
    write_register(io_apic, 0x40, 0xffff'ffff);
    CHECK(read_register(io_apic, 0xff) == 0);
    for (const u32 offset : {0x04u, 0x11u, 0x20u, 0x41u, 0xffcu, 0xffff'ffffu}) {
        io_apic.write(offset, 0xffff'ffff);
        CHECK(io_apic.read(offset) == 0);
    }
}

TEST_CASE("IOAPIC sends one message for each edge") {
    IoApic io_apic;
    program(io_apic, 4, u64{3} << 56 | 0x31);
    CHECK_FALSE(io_apic.next_message());
    io_apic.signal(4, LineEvent::Raised);
    CHECK(io_apic.next_message() == InterruptMessage{3, 0x31, DeliveryMode::Fixed, false, false});
    CHECK_FALSE(io_apic.next_message());
    io_apic.signal(4, LineEvent::None);
    io_apic.signal(4, LineEvent::Lowered);
    CHECK_FALSE(io_apic.next_message());
    io_apic.signal(4, LineEvent::Raised);
    CHECK(io_apic.next_message());
    io_apic.signal(4, LineEvent::Raised); // high already: attention is needed anew
    CHECK(io_apic.next_message());
    CHECK_FALSE(io_apic.next_message());
    CHECK_FALSE(io_apic.wants_eoi());
}

TEST_CASE("IOAPIC reads destination, destination mode and delivery mode from the entry") {
    IoApic io_apic;
    // KVM_FEATURE_MSI_EXT_DEST_ID: bits 55:49 are bits 14:8 of the destination.
    program(io_apic, 0, u64{0x2c} << 56 | u64{0x01} << 49 | 0x40);
    program(io_apic, 1, u64{0xff} << 56 | u64{0x7f} << 49 | 1 << 11 | 1 << 8 | 0x41);
    program(io_apic, 2, u64{1} << 56 | u64{1} << 48 | 4 << 8); // NMI; the vector does not count
    for (u32 pin = 0; pin < 3; ++pin)
        io_apic.signal(pin, LineEvent::Raised);
    CHECK(io_apic.next_message() == InterruptMessage{300, 0x40, DeliveryMode::Fixed, false, false});
    CHECK(io_apic.next_message() == InterruptMessage{0x7fff, 0x41, DeliveryMode::LowestPriority, true, false});
    CHECK(io_apic.next_message() == InterruptMessage{1, 0, DeliveryMode::Nmi, false, false});
    CHECK(io_apic.refused() == 0);
}

TEST_CASE("IOAPIC never sends what could stop or reset a CPU") {
    for (u64 mode = 0; mode < 8; ++mode) {
        for (u64 vector = 0; vector < 256; ++vector) {
            for (const u64 trigger : {u64{0}, level}) {
                IoApic io_apic;
                program(io_apic, 7, trigger | mode << 8 | vector);
                io_apic.signal(7, LineEvent::Raised);
                const auto message = io_apic.next_message();
                const bool legal = mode == 4 || (mode <= 1 && vector >= 16);
                REQUIRE(message.has_value() == legal);
                REQUIRE(io_apic.refused() == (legal ? 0 : 1));
                REQUIRE_FALSE(io_apic.next_message());
            }
        }
    }
}

TEST_CASE("IOAPIC keeps an edge that comes while its pin is masked") {
    IoApic io_apic;
    program(io_apic, 4, masked | 0x31);
    io_apic.signal(4, LineEvent::Raised);
    io_apic.signal(4, LineEvent::Lowered);
    io_apic.signal(4, LineEvent::Raised);
    CHECK_FALSE(io_apic.next_message());
    program(io_apic, 4, 0x31);
    CHECK(io_apic.next_message());
    CHECK_FALSE(io_apic.next_message()); // one, however many there were
    program(io_apic, 4, masked | 0x31);
    program(io_apic, 4, 0x31);
    CHECK_FALSE(io_apic.next_message());
}

TEST_CASE("IOAPIC does not send when the pin is masked between the edge and the sending") {
    IoApic io_apic;
    program(io_apic, 4, 0x31);
    io_apic.signal(4, LineEvent::Raised);
    program(io_apic, 4, masked | 0x31);
    CHECK_FALSE(io_apic.next_message());
    program(io_apic, 4, 0x31);
    CHECK(io_apic.next_message());
}

TEST_CASE("IOAPIC level pins interrupt until the line is low, once for each EOI") {
    IoApic io_apic;
    program(io_apic, 9, level | 0x51);
    io_apic.signal(9, LineEvent::Raised);
    CHECK(io_apic.next_message() == InterruptMessage{0, 0x51, DeliveryMode::Fixed, false, true});
    CHECK(entry_of(io_apic, 9) == (level | remote_irr | 0x51));
    CHECK(io_apic.wants_eoi());
    io_apic.signal(9, LineEvent::Raised);
    CHECK_FALSE(io_apic.next_message()); // not before the EOI
    io_apic.end_of_interrupt(0x50);
    CHECK_FALSE(io_apic.next_message()); // another vector's
    io_apic.write(EOI, 0x51);
    CHECK(io_apic.next_message()); // still high
    io_apic.signal(9, LineEvent::Lowered);
    io_apic.end_of_interrupt(0x51);
    CHECK_FALSE(io_apic.next_message());
    CHECK(entry_of(io_apic, 9) == (level | 0x51));
    CHECK(io_apic.wants_eoi()); // the next one's
}

TEST_CASE("IOAPIC wants EOIs for pins of level that are open or in service") {
    IoApic io_apic;
    CHECK_FALSE(io_apic.wants_eoi());
    program(io_apic, 9, masked | level | 0x51);
    program(io_apic, 10, level | 4 << 8); // an NMI is an edge
    CHECK_FALSE(io_apic.wants_eoi());
    program(io_apic, 9, level | 0x51);
    CHECK(io_apic.wants_eoi());
    io_apic.signal(9, LineEvent::Raised);
    CHECK(io_apic.next_message());
    program(io_apic, 9, masked | level | 0x51);
    CHECK(io_apic.wants_eoi());
    io_apic.end_of_interrupt(0x51);
    CHECK_FALSE(io_apic.wants_eoi());
}

TEST_CASE("IOAPIC: an EOI reaches every pin of its vector") {
    IoApic io_apic;
    for (u32 pin = 0; pin < 24; ++pin) {
        program(io_apic, pin, level | 0x60);
        io_apic.signal(pin, LineEvent::Raised);
    }
    for (int round = 0; round < 2; ++round) {
        u32 count = 0;
        while (io_apic.next_message())
            ++count;
        CHECK(count == 24);
        io_apic.end_of_interrupt(0x60);
    }
}

TEST_CASE("IOAPIC: a level pin unmasked late interrupts if the line is still high") {
    IoApic io_apic;
    program(io_apic, 9, masked | level | 0x51);
    io_apic.signal(9, LineEvent::Raised);
    io_apic.signal(9, LineEvent::Lowered);
    program(io_apic, 9, level | 0x51);
    CHECK_FALSE(io_apic.next_message());
    program(io_apic, 9, masked | level | 0x51);
    io_apic.signal(9, LineEvent::Raised);
    program(io_apic, 9, level | 0x51);
    CHECK(io_apic.next_message());
}

TEST_CASE("IOAPIC: a guest cannot write remote IRR or delivery status, and edge mode clears the former") {
    IoApic io_apic;
    program(io_apic, 9, ~u64{0});
    CHECK(entry_of(io_apic, 9) == (~u64{0} & ~(remote_irr | u64{1} << 12)));
    program(io_apic, 9, level | 0x51);
    io_apic.signal(9, LineEvent::Raised);
    REQUIRE(io_apic.next_message());
    program(io_apic, 9, level | masked | 0x51);
    CHECK((entry_of(io_apic, 9) & remote_irr) != 0);
    program(io_apic, 9, masked | 0x51); // the old way without an EOI register: mask, edge, level
    program(io_apic, 9, level | 0x51);
    CHECK(io_apic.next_message());
}

TEST_CASE("IOAPIC ignores pins that do not exist") {
    IoApic io_apic;
    for (const u32 pin : {24u, 31u, 32u, 0xffff'ffffu})
        io_apic.signal(pin, LineEvent::Raised);
    CHECK_FALSE(io_apic.next_message());
}
