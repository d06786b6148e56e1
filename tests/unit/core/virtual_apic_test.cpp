// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "core/virtual_apic.hpp"

#include <map>
#include <set>

#include <catch2/catch_test_macros.hpp>

using namespace bulkhead;

namespace {

using Kind = ApicAccess::Kind;
using Mode = InterruptCommand::Mode;
using Shorthand = InterruptCommand::Shorthand;

constexpr u32 icr = 0x830;

InterruptCommand decoded(u64 value) {
    const auto command = InterruptCommand::decode(value);
    REQUIRE(command.has_value());
    return *command;
}

/// The vCPUs of 0 to 299 that a command of `sender` addresses.
std::set<u32> addressed(const InterruptCommand& command, u32 sender) {
    std::set<u32> result;
    for (u32 id = 0; id < 300; ++id)
        if (command.addresses(id, sender))
            result.insert(id);
    return result;
}

InterruptCommand to(u32 destination, bool logical) {
    return InterruptCommand{.vector = 0x40, .logical = logical, .destination = destination};
}

void check_done(const ApicAccess& access, u64 value) {
    CHECK(access.kind == Kind::Done);
    CHECK(access.value == value);
}

} // namespace

TEST_CASE("virtual APIC: what each register reads at the start") {
    // SDM 3A table 11-6, written down a second time: MSR and value of those that are kept here.
    const std::map<u32, u64> kept{{0x802, 0x25},    {0x803, 0x50014}, {0x80d, 0x2'0020}, {0x80f, 0xff},
                                  {0x830, 0},       {0x833, 0x10000}, {0x834, 0x10000},  {0x835, 0x10000},
                                  {0x836, 0x10000}, {0x837, 0x10000}};
    std::set<u32> hardware{0x808, 0x80a, 0x828, 0x832, 0x838, 0x839, 0x83e};
    for (u32 number = 0x810; number <= 0x827; ++number) // ISR, TMR, IRR
        hardware.insert(number);

    const VirtualApic apic(0x25);
    for (u32 number = 0x800; number <= 0x8ff; ++number) {
        INFO("MSR " << std::hex << number);
        const ApicAccess access = apic.read(number);
        if (const auto row = kept.find(number); row != kept.end())
            check_done(access, row->second);
        else // EOI and SELF_IPI are write-only; AMD's extended registers (0x840 on) are not there
            CHECK(access.kind == (hardware.contains(number) ? Kind::Hardware : Kind::Fault));
    }
}

TEST_CASE("virtual APIC: what each register takes") {
    // MSR and the bits that may be set, for registers that take a value; the rest is read-only or is not there.
    struct Row {
        u64 valid;
        Kind kind;
    };
    const std::map<u32, Row> writable{
        {0x808, {0xff, Kind::Hardware}},        // TPR
        {0x80b, {0, Kind::Hardware}},           // EOI
        {0x80f, {0x1ff, Kind::Hardware}},       // SVR: vector, enable
        {0x828, {0, Kind::Hardware}},           // ESR
        {0x832, {0x310ff, Kind::Hardware}},     // LVT timer: vector, status, mask, periodic
        {0x833, {0x157ff, Kind::Done}},         // thermal
        {0x834, {0x157ff, Kind::Done}},         // performance counters
        {0x835, {0x1f7ff, Kind::Done}},         // LINT0
        {0x836, {0x1f7ff, Kind::Done}},         // LINT1
        {0x837, {0x150ff, Kind::Hardware}},     // error
        {0x838, {0xffff'ffff, Kind::Hardware}}, // initial count
        {0x83e, {0xb, Kind::Hardware}},         // divide: bits 3, 1 and 0
        {0x83f, {0xff, Kind::Interrupt}},       // SELF_IPI
    };

    for (u32 number = 0x800; number <= 0x8ff; ++number) {
        if (number == icr)
            continue;
        INFO("MSR " << std::hex << number);
        VirtualApic apic(1);
        const auto row = writable.find(number);
        if (row == writable.end()) {
            CHECK(apic.write(number, 0).kind == Kind::Fault);
            continue;
        }
        for (u32 bit = 0; bit < 64; ++bit) {
            INFO("bit " << std::dec << bit);
            const bool valid = (row->second.valid >> bit & 1) != 0;
            CHECK(apic.write(number, u64{1} << bit).kind == (valid ? row->second.kind : Kind::Fault));
        }
        CHECK(apic.write(number, row->second.valid).kind == row->second.kind);
    }
}

TEST_CASE("virtual APIC: registers that are kept read back what was written") {
    VirtualApic apic(0);
    CHECK(apic.write(0x80f, 0x1aa).kind == Kind::Hardware);
    check_done(apic.read(0x80f), 0x1aa);
    for (const u32 lvt : {0x833u, 0x834u, 0x835u, 0x836u, 0x837u}) {
        CHECK(apic.write(lvt, 0x150f0).kind != Kind::Fault);
        check_done(apic.read(lvt), 0x100f0); // delivery status and remote IRR are read-only
    }
    // A refused write changes nothing.
    CHECK(apic.write(0x80f, 0x200).kind == Kind::Fault);
    check_done(apic.read(0x80f), 0x1aa);
    CHECK(apic.write(0x837, 0x400).kind == Kind::Fault);
    check_done(apic.read(0x837), 0x100f0);
}

TEST_CASE("virtual APIC: what goes to the hardware is only what a guest may set there") {
    VirtualApic apic(0);
    CHECK(apic.write(0x837, 0x150f0).value == 0x100f0);
    CHECK(apic.write(0x832, 0x310ec).value == 0x300ec);
    CHECK(apic.write(0x838, 0xffff'ffff).value == 0xffff'ffff);
    CHECK(apic.write(0x80f, 0x1ff).value == 0x1ff);
    // LINT pins, thermal sensor and performance counters are the machine's: their entries never get there.
    for (const u32 lvt : {0x833u, 0x834u, 0x835u, 0x836u})
        CHECK(apic.write(lvt, 0x400).kind == Kind::Done); // delivery mode NMI
}

TEST_CASE("virtual APIC: the count of a periodic timer is the guest's, or the least") {
    constexpr u32 least = 1000, lvt_timer = 0x832, initial_count = 0x838, divide = 0x83e;
    VirtualApic apic(0, true);
    const auto set_mode = [&](u64 value, u32 count) {
        CHECK(apic.write(lvt_timer, value).kind == Kind::Hardware);
        return apic.limited_count(lvt_timer, count, least);
    };
    CHECK_FALSE(apic.is_periodic());
    CHECK(apic.limited_count(initial_count, 1, least) == 1);
    CHECK(set_mode(0x40040, 1) == 1); // by a deadline
    CHECK_FALSE(apic.is_periodic());

    CHECK(set_mode(0x20040, 1) == least); // of one that counts once
    CHECK(apic.is_periodic());
    CHECK(apic.limited_count(initial_count, 999, least) == least);
    CHECK(apic.limited_count(initial_count, 1000, least) == 1000);
    CHECK(apic.limited_count(initial_count, ~0u, least) == ~0u);
    CHECK(apic.limited_count(initial_count, 0, least) == 0); // it stands still
    CHECK(apic.limited_count(divide, 0, least) == 0);

    // A divider that comes behind the count: it is what the guest has set that is too short, or not.
    CHECK(apic.limited_count(initial_count, 300, least) == least);
    CHECK(set_mode(0x30040, least) == least); // masked
    CHECK(apic.limited_count(divide, least, least / 2) == 500);
    CHECK(apic.limited_count(divide, 500, least / 8) == 300);
    CHECK(apic.limited_count(divide, 300, least) == least);

    CHECK(apic.limited_count(initial_count, 300, least) == least);
    CHECK(apic.limited_count(divide, 0, least) == 0); // what has stopped it since is no reason to begin again

    CHECK(set_mode(0x40, least) == least); // once again: what the hardware has stays
    CHECK_FALSE(apic.is_periodic());
    CHECK(set_mode(0x20040, 2000) == 2000);
    apic.reset();
    CHECK_FALSE(apic.is_periodic());
    CHECK(set_mode(0x20040, 0) == 0);
}

TEST_CASE("virtual APIC: where the CPU has no x2APIC, its direct registers come here and go on to the xAPIC") {
    VirtualApic apic(3);
    for (const u32 number : {0x808u, 0x832u, 0x838u, 0x83eu}) {
        INFO("MSR " << std::hex << number);
        CHECK(apic.read(number).kind == Kind::Hardware);
        const ApicAccess write = apic.write(number, 0xb);
        CHECK(write.kind == Kind::Hardware);
        CHECK(write.value == 0xb);
    }
    for (const u32 number : {0x80au, 0x810u, 0x817u, 0x818u, 0x827u, 0x839u}) { // read-only: PPR, ISR to IRR, count
        INFO("MSR " << std::hex << number);
        CHECK(apic.read(number).kind == Kind::Hardware);
        CHECK(apic.write(number, 0).kind == Kind::Fault);
    }
    CHECK(apic.write(0x80b, 0).kind == Kind::Hardware);
    CHECK(apic.write(0x80b, 1).kind == Kind::Fault);
    const ApicAccess self = apic.write(0x83f, 0xec);
    CHECK(self.kind == Kind::Interrupt);
    CHECK(self.command.vector == 0xec);
    CHECK(self.command.mode == Mode::Fixed);
    CHECK(addressed(self.command, 3) == std::set<u32>{3});
}

TEST_CASE("virtual APIC: the ICR's fields") {
    const InterruptCommand fixed = decoded(0x0000'0007'0000'40ec);
    CHECK(fixed.vector == 0xec);
    CHECK(fixed.mode == Mode::Fixed);
    CHECK_FALSE(fixed.logical);
    CHECK(fixed.assert_level);
    CHECK(fixed.shorthand == Shorthand::None);
    CHECK(fixed.destination == 7);

    CHECK(decoded(0x100).mode == Mode::LowestPriority);
    CHECK(decoded(0x200).mode == Mode::Smi);
    CHECK(decoded(0x400).mode == Mode::Nmi);
    CHECK(decoded(0x500).mode == Mode::Init);
    CHECK(decoded(0x600).mode == Mode::StartUp);
    CHECK(decoded(0x800).logical);
    CHECK_FALSE(decoded(0x8500).assert_level); // INIT, level-triggered, de-assert
    CHECK(decoded(0x4'0000).shorthand == Shorthand::Self);
    CHECK(decoded(0x8'0000).shorthand == Shorthand::All);
    CHECK(decoded(0xc'0000).shorthand == Shorthand::Others);
    CHECK(decoded(0xffff'ffff'0000'0000).destination == 0xffff'ffff);
}

TEST_CASE("virtual APIC: reserved bits and modes of the ICR") {
    for (u32 bit = 0; bit < 64; ++bit) {
        INFO("bit " << bit);
        const bool reserved = bit == 13 || bit == 16 || bit == 17 || (bit >= 20 && bit < 32);
        CHECK(InterruptCommand::decode(u64{1} << bit).has_value() != reserved);
    }
    for (const u64 mode : {3u, 7u})
        CHECK_FALSE(InterruptCommand::decode(mode << 8).has_value());
}

TEST_CASE("virtual APIC: shorthands do not look at the destination") {
    for (const bool logical : {false, true}) {
        InterruptCommand command = to(9, logical);
        command.shorthand = Shorthand::Self;
        CHECK(addressed(command, 4) == std::set<u32>{4});
        command.shorthand = Shorthand::All;
        CHECK(addressed(command, 4).size() == 300);
        command.shorthand = Shorthand::Others;
        const std::set<u32> others = addressed(command, 4);
        CHECK(others.size() == 299);
        CHECK_FALSE(others.contains(4));
    }
}

TEST_CASE("virtual APIC: physical destinations") {
    CHECK(addressed(to(0, false), 5) == std::set<u32>{0});
    CHECK(addressed(to(5, false), 5) == std::set<u32>{5});
    CHECK(addressed(to(299, false), 0) == std::set<u32>{299});
    CHECK(addressed(to(300, false), 0).empty());
    CHECK(addressed(to(0xff, false), 0) == std::set<u32>{255}); // no broadcast in an x2APIC
    CHECK(addressed(to(0xffff'ffff, false), 0).size() == 300);
    CHECK(addressed(to(0x8000'0000, false), 0).empty());
}

TEST_CASE("virtual APIC: logical destinations are a cluster and its members") {
    static_assert(logical_x2apic_id(0) == 0x0000'0001);
    static_assert(logical_x2apic_id(15) == 0x0000'8000);
    static_assert(logical_x2apic_id(16) == 0x0001'0001);
    static_assert(logical_x2apic_id(0x123) == 0x0012'0008);

    CHECK(addressed(to(0x0000'0001, true), 0) == std::set<u32>{0});
    CHECK(addressed(to(0x0000'8003, true), 0) == std::set<u32>{0, 1, 15});
    CHECK(addressed(to(0x0001'0001, true), 0) == std::set<u32>{16});
    CHECK(addressed(to(0x0002'0110, true), 0) == std::set<u32>{36, 40});
    CHECK(addressed(to(0x0001'ffff, true), 0).size() == 16);
    CHECK(addressed(to(0x0001'0000, true), 0).empty());
    CHECK(addressed(to(0x0000'0000, true), 0).empty());
    CHECK(addressed(to(0x1000'0001, true), 0).empty()); // a cluster that is not there
    CHECK(addressed(to(0xffff'ffff, true), 0).size() == 300);
    // Every vCPU is reached by its own logical ID, and nobody else is.
    for (u32 id = 0; id < 300; ++id)
        CHECK(addressed(to(logical_x2apic_id(id), true), 0) == std::set<u32>{id});
}

TEST_CASE("virtual APIC: a write of the ICR asks for an interrupt and reads back") {
    VirtualApic apic(0);
    const ApicAccess access = apic.write(icr, 0x0000'0002'0000'54f0);
    CHECK(access.kind == Kind::Interrupt);
    CHECK(access.command.vector == 0xf0);
    CHECK(access.command.mode == Mode::Nmi);
    CHECK(access.command.destination == 2);
    check_done(apic.read(icr), 0x0000'0002'0000'44f0); // delivery status is always idle
    CHECK(apic.write(icr, 0x300).kind == Kind::Fault);
    CHECK(apic.write(icr, 0x10'0000).kind == Kind::Fault);
    check_done(apic.read(icr), 0x0000'0002'0000'44f0);
    // A self-IPI is another register.
    CHECK(apic.write(0x83f, 0x33).kind == Kind::Interrupt);
    check_done(apic.read(icr), 0x0000'0002'0000'44f0);
}

TEST_CASE("virtual APIC: the one receiver of an interrupt is who the command addresses, and nobody else") {
    constexpr u32 sender = 17;
    unsigned found = 0;
    for (const u64 low : {0x40u, 0x4040u, 0x1040u, 0x840u, 0x4840u, 0x140u, 0x440u, 0x500u, 0x600u, 0x4'0040u,
                          0x8'0040u, 0xc'0040u, 0x4'0140u, 0x0fu, 0x10u, 0xffu, 0x2040u, 0x1'0040u, 0x10'0040u})
        for (const u64 destination : {0u, 1u, 2u, 3u, 16u, 17u, 0x1'0001u, 0x1'8000u, 0x2'0003u, 0xffffu, ~0u}) {
            const u64 value = destination << 32 | low;
            const auto receiver = only_receiver(value, sender);
            if (!receiver)
                continue;
            INFO(std::hex << value);
            const InterruptCommand command = decoded(value);
            CHECK(command.mode == Mode::Fixed);
            CHECK(command.vector >= 16);
            if (*receiver < 300)
                CHECK(addressed(command, sender) == std::set{*receiver});
            else // no vCPU's: the caller looks for that one
                CHECK(*receiver == destination);
            ++found;
        }
    CHECK(found > 50);
    CHECK(only_receiver(u64{0x1'8000} << 32 | 0x840, sender) == 31);
    CHECK(only_receiver(0x4'0040, sender) == sender);
}
