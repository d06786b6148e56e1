// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// VirtualApic in its other modes: IA32_APIC_BASE, and the page of the xAPIC.
#include "core/virtual_apic.hpp"

#include <map>
#include <set>

#include <catch2/catch_test_macros.hpp>

using namespace bulkhead;

namespace {

using Kind = ApicAccess::Kind;
using Mode = InterruptCommand::Mode;
using Shorthand = InterruptCommand::Shorthand;

constexpr u32 base_msr = 0x1b;
constexpr u64 base = 0xfee0'0000; // of a vCPU that is not the first
constexpr u64 en = 0x800, extd = 0x400, bsp = 0x100;

VirtualApic xapic(u32 id, bool has_tsc_deadline = true) {
    VirtualApic apic(id, has_tsc_deadline);
    const u64 own = base | (id == 0 ? bsp : 0);
    REQUIRE(apic.write(base_msr, own).kind == Kind::Mode);
    REQUIRE(apic.write(base_msr, own | en).kind == Kind::Mode);
    return apic;
}

u64 page(const VirtualApic& apic, u32 offset) {
    const ApicAccess access = apic.read_page(0x800 + offset / 16);
    REQUIRE(access.kind == Kind::Done);
    return access.value;
}
ApicAccess write_page(VirtualApic& apic, u32 offset, u32 value) { return apic.write_page(0x800 + offset / 16, value); }

} // namespace

TEST_CASE("xAPIC: every step between modes, and the steps that there are not") {
    // SDM 3A figure 11-27, written down a second time: EN and EXTD before and after.
    const std::set<std::pair<u64, u64>> legal{{0, en}, {en, 0}, {en, en | extd}, {en | extd, 0}};
    for (const u64 from : {u64{0}, en, en | extd})
        for (const u64 to : {u64{0}, en, extd, en | extd}) {
            INFO(std::hex << from << " to " << to);
            VirtualApic apic(3);
            if (from != (en | extd))
                REQUIRE(apic.write(base_msr, base).kind == Kind::Mode);
            if (from == en)
                REQUIRE(apic.write(base_msr, base | en).kind == Kind::Mode);
            const ApicAccess access = apic.write(base_msr, base | to);
            if (legal.contains({from, to})) {
                CHECK(access.kind == Kind::Mode);
                CHECK((access.value != 0) == (((from ^ to) & en) != 0));
                CHECK(apic.read(base_msr).value == (base | to));
            } else {
                CHECK(access.kind == (from == to ? Kind::Done : Kind::Fault));
                CHECK(apic.read(base_msr).value == (base | from));
            }
        }
}

TEST_CASE("xAPIC: the base's other bits stay as they are") {
    VirtualApic first(0);
    VirtualApic second(1);
    CHECK(first.read(base_msr).value == (base | en | extd | bsp));
    CHECK(second.read(base_msr).value == (base | en | extd));
    for (u32 bit = 0; bit < 64; ++bit) {
        INFO("bit " << bit);
        if (bit == 10 || bit == 11)
            continue;
        CHECK(second.write(base_msr, (base | en | extd) ^ u64{1} << bit).kind == Kind::Fault);
    }
    CHECK(second.mode() == ApicMode::X2Apic);
}

TEST_CASE("xAPIC: MSRs are there in x2APIC mode only, the page in xAPIC mode only") {
    VirtualApic apic(2);
    CHECK(apic.mode() == ApicMode::X2Apic);
    CHECK(page(apic, 0x20) == ~u64{0});
    CHECK(write_page(apic, 0xd0, 0xff00'0000).kind == Kind::Done);
    CHECK(write_page(apic, 0x300, 0x40).kind == Kind::Done);
    for (const bool on : {false, true}) {
        REQUIRE(apic.write(base_msr, base | (on ? en : 0)).kind == Kind::Mode);
        for (u32 number = 0x800; number <= 0x8ff; ++number) {
            CHECK(apic.read(number).kind == Kind::Fault);
            CHECK(apic.write(number, 0).kind == Kind::Fault);
        }
        CHECK(apic.address() == (on ? xapic_address::xapic_mode : xapic_address::disabled));
        CHECK(page(apic, 0x20) == (on ? u64{0x0200'0000} : ~u64{0}));
    }
}

TEST_CASE("xAPIC: what each register of the page reads at the start") {
    const VirtualApic apic = xapic(5);
    const std::map<u32, u64> kept{{0x20, 0x0500'0000}, {0x30, 0x50014},  {0xd0, 0},        {0xe0, 0xffff'ffff},
                                  {0xf0, 0xff},        {0x330, 0x10000}, {0x340, 0x10000}, {0x350, 0x10000},
                                  {0x360, 0x10000},    {0x370, 0x10000}};
    std::set<u32> hardware{0x80, 0xa0, 0x280, 0x320, 0x380, 0x390, 0x3e0};
    for (u32 offset = 0x100; offset <= 0x270; offset += 16)
        hardware.insert(offset);
    for (u32 offset = 0; offset < 0x1000; offset += 16) {
        INFO("offset " << std::hex << offset);
        if (hardware.contains(offset)) {
            CHECK(apic.read_page(0x800 + offset / 16).kind == Kind::Hardware);
            continue;
        }
        const auto row = kept.find(offset);
        CHECK(page(apic, offset) == (row == kept.end() ? 0 : row->second));
    }
}

TEST_CASE("xAPIC: nothing that is written to the page faults, and only what is there takes it") {
    const std::map<u32, u64> to_hardware{
        {0x80, 0xff},     {0xb0, 0},        {0xf0, 0x1ff},        {0x280, 0},
        {0x320, 0x300ff}, {0x370, 0x100ff}, {0x380, 0xffff'ffff}, {0x3e0, 0xb},
    };
    for (u32 offset = 0; offset < 0x1000; offset += 16) {
        if (offset == 0x300)
            continue;
        INFO("offset " << std::hex << offset);
        VirtualApic apic = xapic(5);
        const ApicAccess access = write_page(apic, offset, ~0u);
        const auto row = to_hardware.find(offset);
        if (row == to_hardware.end()) {
            CHECK(access.kind == Kind::Done);
        } else {
            CHECK(access.kind == Kind::Hardware);
            CHECK(access.value == row->second);
        }
    }
}

TEST_CASE("xAPIC: the timer never gets a mode that the CPU has not") {
    VirtualApic with = xapic(1);
    CHECK(write_page(with, 0x320, 0x400ec).value == 0x400ec);
    CHECK(write_page(with, 0x320, 0x600ec).value == 0x200ec);
    VirtualApic without = xapic(1, false);
    CHECK(write_page(without, 0x320, 0x400ec).value == 0xec);
    CHECK(write_page(without, 0x320, 0x200ec).value == 0x200ec);
}

TEST_CASE("x2APIC: the timer takes its own modes, and no way of delivery but the fixed one") {
    VirtualApic with(1, true), without(1, false);
    for (const u64 value : {0x100ec, 0x300ec, 0x210ec}) // one-shot, periodic, with the delivery status
        CHECK(without.write(msr::IA32_X2APIC_LVT_TIMER, value).value == (value & ~u64{0x1000}));
    CHECK(with.write(msr::IA32_X2APIC_LVT_TIMER, 0x400ec).kind == Kind::Hardware);
    CHECK(with.write(msr::IA32_X2APIC_LVT_TIMER, 0x600ec).kind == Kind::Fault);
    CHECK(without.write(msr::IA32_X2APIC_LVT_TIMER, 0x400ec).kind == Kind::Fault);
    for (const u64 reserved : {0x100, 0x200, 0x400, 0x800, 0x2000, 0x4000, 0x8000, 0x80000})
        CHECK(with.write(msr::IA32_X2APIC_LVT_TIMER, 0xec | reserved).kind == Kind::Fault);
}

TEST_CASE("xAPIC: LDR and DFR are the guest's, its ID is not") {
    VirtualApic apic = xapic(5);
    write_page(apic, 0x20, 0x0700'0000);
    CHECK(page(apic, 0x20) == 0x0500'0000);
    write_page(apic, 0xd0, 0xa5ff'ffff);
    CHECK(page(apic, 0xd0) == 0xa500'0000);
    CHECK(apic.address() == (xapic_address::xapic_mode | 0xa5));
    write_page(apic, 0xe0, 0x0000'0000);
    CHECK(page(apic, 0xe0) == 0x0fff'ffff);
    CHECK(apic.address() == (xapic_address::xapic_mode | xapic_address::cluster_model | 0xa5));
    write_page(apic, 0xe0, 0xf000'0000);
    CHECK(page(apic, 0xe0) == 0xffff'ffff);
    CHECK(apic.address() == (xapic_address::xapic_mode | 0xa5));
    CHECK(page(xapic(0x123), 0x20) == 0x2300'0000); // 8 bits of an ID that has more
}

TEST_CASE("xAPIC: the ICR's two halves") {
    VirtualApic apic = xapic(5);
    CHECK(write_page(apic, 0x310, 0x07ff'ffff).kind == Kind::Done);
    CHECK(page(apic, 0x310) == 0x0700'0000);
    const ApicAccess access = write_page(apic, 0x300, 0xfff3'2000 | 0x1851); // reserved bits are ignored
    CHECK(access.kind == Kind::Interrupt);
    CHECK(access.command.vector == 0x51);
    CHECK(access.command.mode == Mode::Fixed);
    CHECK(access.command.logical);
    CHECK(access.command.xapic);
    CHECK(access.command.shorthand == Shorthand::None);
    CHECK(access.command.destination == 7);
    CHECK(page(apic, 0x300) == 0x851);
    CHECK(page(apic, 0x310) == 0x0700'0000);
    CHECK(write_page(apic, 0x300, 0x351).kind == Kind::Done); // a reserved delivery mode
    write_page(apic, 0x310, 0xff00'0000);
    CHECK(write_page(apic, 0x300, 0x51).command.destination == ~0u);
    CHECK(write_page(apic, 0x3f0, 0x51).kind == Kind::Done); // SELF_IPI is the x2APIC's
}

TEST_CASE("xAPIC: logical destinations, flat and in clusters") {
    const InterruptCommand flat{.vector = 0x40, .logical = true, .destination = 0x06, .xapic = true};
    CHECK(flat.addresses(9, 0, xapic_address::xapic_mode | 0x02));
    CHECK(flat.addresses(9, 0, xapic_address::xapic_mode | 0x84));
    CHECK_FALSE(flat.addresses(1, 0, xapic_address::xapic_mode | 0x01));
    CHECK_FALSE(flat.addresses(1, 0, xapic_address::xapic_mode));
    CHECK_FALSE(flat.addresses(1, 0, 0)); // it is no xAPIC

    constexpr u16 cluster = xapic_address::xapic_mode | xapic_address::cluster_model;
    InterruptCommand clustered{.vector = 0x40, .logical = true, .destination = 0x25, .xapic = true};
    CHECK(clustered.addresses(9, 0, cluster | 0x21));
    CHECK(clustered.addresses(9, 0, cluster | 0x24));
    CHECK_FALSE(clustered.addresses(9, 0, cluster | 0x22));
    CHECK_FALSE(clustered.addresses(9, 0, cluster | 0x11));
    CHECK_FALSE(clustered.addresses(9, 0, cluster | 0x20));
    clustered.destination = ~0u;
    CHECK(clustered.addresses(9, 0, cluster | 0x11));
}

TEST_CASE("xAPIC: what survives a step between modes, and an INIT") {
    VirtualApic apic = xapic(5);
    write_page(apic, 0xd0, 0x0400'0000);
    write_page(apic, 0xf0, 0x1aa);
    write_page(apic, 0x310, 0x0600'0000);
    write_page(apic, 0x300, 0x51);
    // SDM 3A 11.12.5.1: all but LDR, and the upper half of ICR.
    REQUIRE(apic.write(base_msr, base | en | extd).kind == Kind::Mode);
    CHECK(apic.address() == 0);
    CHECK(apic.read(0x80f).value == 0x1aa);
    CHECK(apic.read(0x830).value == 0x51);
    CHECK(apic.read(0x80d).value == logical_x2apic_id(5));

    apic.reset();
    CHECK(apic.mode() == ApicMode::X2Apic);
    CHECK(apic.read(0x80f).value == 0xff);
    CHECK(apic.read(0x830).value == 0);

    VirtualApic other = xapic(6);
    write_page(other, 0xd0, 0x0400'0000);
    write_page(other, 0xe0, 0);
    other.reset();
    CHECK(other.mode() == ApicMode::XApic);
    CHECK(other.address() == xapic_address::xapic_mode);
    CHECK(page(other, 0x20) == 0x0600'0000);
    write_page(other, 0xf0, 0x1aa);
    REQUIRE(other.write(base_msr, base).kind == Kind::Mode);
    REQUIRE(other.write(base_msr, base | en).kind == Kind::Mode);
    CHECK(page(other, 0xf0) == 0xff);
}
