// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "drivers/local_apic.hpp"

#include <catch2/catch_test_macros.hpp>

#include "fakes/apic.hpp"

using namespace bulkhead;
using drivers::IpiMode;
namespace apic = drivers::apic;

namespace {

constexpr u64 base_enabled = 0xfee00900, base_x2apic = 0xfee00d00, base_disabled = 0xfee00100;
constexpr u32 seven_entries = 0x00060015;

struct Machine {
    fakes::Msrs msrs;
    fakes::ApicPage page;
    drivers::LocalApic<fakes::Msrs, fakes::ApicPage> local{msrs, page};

    explicit Machine(u64 base, u32 version = seven_entries) {
        msrs.values[0x1b] = base;
        for (const u32 number : {0x802, 0x803, 0x808, 0x80b, 0x80f, 0x828, 0x82f, 0x830, 0x832, 0x833, 0x834,
                                 0x835, 0x836, 0x837, 0x838, 0x83e, 0x83f, 0x840, 0x850, 0x851, 0x852, 0x853}) {
            msrs.values[number] = 0;
            page.values[(number & 0xff) << 4] = 0;
        }
        page.values[0x310] = 0;
        page.values.erase(0x3f0); // SELF IPI exists only in an x2APIC
        msrs.values[0x803] = page.values[0x30] = version;
    }
    void forget() {
        msrs.history.clear();
        page.history.clear();
    }
};

} // namespace

TEST_CASE("LocalApic becomes an x2APIC by the steps that are legal") {
    Machine from_xapic(base_enabled);
    REQUIRE(from_xapic.local.enable(true));
    CHECK(from_xapic.local.is_x2apic());
    CHECK(from_xapic.msrs.history.front() == fakes::Msrs::Write{0x1b, base_x2apic, false});
    CHECK(from_xapic.msrs.values[0x80f] == 0x1ff);
    CHECK(from_xapic.page.history.empty());

    Machine from_disabled(base_disabled);
    REQUIRE(from_disabled.local.enable(true));
    REQUIRE(from_disabled.msrs.history.size() > 2);
    CHECK(from_disabled.msrs.history[0].value == base_enabled);
    CHECK(from_disabled.msrs.history[1].value == base_x2apic);

    Machine already(base_x2apic);
    REQUIRE(already.local.enable(true, 0x20));
    CHECK(already.msrs.history.front().number != 0x1b);
    CHECK(already.msrs.values[0x80f] == 0x120);
}

TEST_CASE("LocalApic stays an xAPIC where the CPU has nothing else") {
    Machine machine(base_disabled);
    REQUIRE(machine.local.enable(false));
    CHECK_FALSE(machine.local.is_x2apic());
    CHECK(machine.msrs.values[0x1b] == base_enabled);
    CHECK(machine.page.values[0xf0] == 0x1ff);
    CHECK(machine.msrs.history.size() == 1);
    CHECK_FALSE(Machine(base_x2apic).local.enable(false));
}

TEST_CASE("LocalApic names registers alike in both modes") {
    Machine x2(base_enabled), x(base_enabled);
    REQUIRE(x2.local.enable(true));
    REQUIRE(x.local.enable(false));
    x2.msrs.values[0x802] = 0x12345;
    x.page.values[0x20] = 0x7f000000;
    CHECK(x2.local.id() == 0x12345);
    CHECK(x.local.id() == 0x7f);
    x2.local.write(apic::LVT_TIMER, 0x200ef);
    x.local.write(apic::LVT_TIMER, 0x200ef);
    CHECK(x2.msrs.values[0x832] == 0x200ef);
    CHECK(x.page.values[0x320] == 0x200ef);
    CHECK(x.local.read(apic::LVT_TIMER) == 0x200ef);
    x2.forget();
    x.forget();
    x2.local.eoi();
    x.local.eoi();
    CHECK(x2.msrs.history == std::vector<fakes::Msrs::Write>{{0x80b, 0, false}});
    CHECK(x.page.history == std::vector<fakes::ApicPage::Write>{{0xb0, 0}});
}

TEST_CASE("The interrupt command is that of the manuals") {
    CHECK(drivers::interrupt_command(5, IpiMode::Fixed, 0xef) == 0x5'0000'40ef);
    CHECK(drivers::interrupt_command(0, IpiMode::Nmi, 0) == 0x4400);
    CHECK(drivers::interrupt_command(1, IpiMode::Init, 0) == 0x1'0000'4500);
    CHECK(drivers::interrupt_command(0xfffffffe, IpiMode::Startup, 8) == 0xfffffffe'0000'4608);
}

TEST_CASE("LocalApic sends an IPI by one fenced MSR write as x2APIC") {
    Machine machine(base_enabled);
    REQUIRE(machine.local.enable(true));
    machine.forget();
    REQUIRE(machine.local.send_ipi(0x1234, IpiMode::Nmi));
    CHECK(machine.msrs.history == std::vector<fakes::Msrs::Write>{{0x830, 0x1234'0000'4400, true}});
    CHECK_FALSE(machine.local.send_ipi(0xffffffff, IpiMode::Nmi)); // the broadcast
    machine.forget();
    machine.local.self_ipi(0x31);
    CHECK(machine.msrs.history == std::vector<fakes::Msrs::Write>{{0x83f, 0x31, false}});
}

TEST_CASE("LocalApic sends an IPI by two writes as xAPIC, and puts back the half that an NMI may have interrupted") {
    Machine machine(base_enabled);
    REQUIRE(machine.local.enable(false));
    machine.page.values[0x310] = 0x09000000;
    machine.forget();
    REQUIRE(machine.local.send_ipi(0x12, IpiMode::Fixed, 0x40));
    CHECK(machine.page.history ==
          std::vector<fakes::ApicPage::Write>{{0x310, 0x12000000}, {0x300, 0x4040}, {0x310, 0x09000000}});
    CHECK(machine.local.read(apic::ICR) == 0x9'0000'4040);
    machine.forget();
    CHECK_FALSE(machine.local.send_ipi(0xff, IpiMode::Nmi));
    CHECK_FALSE(machine.local.send_ipi(0x112, IpiMode::Nmi));
    machine.page.values[0x300] = 0x1000; // delivery pending, for ever
    CHECK_FALSE(machine.local.send_ipi(0x12, IpiMode::Nmi));
    CHECK(machine.page.history.empty());
    machine.local.self_ipi(0x31);
    CHECK(machine.page.values[0x300] == 0x44031);
}

TEST_CASE("LocalApic masks the entries that its version has, and no others") {
    constexpr u64 mask = 0x10000;
    for (const auto& [version, cmci, thermal, pmi] : {std::tuple{0x00060015u, mask, mask, mask},
                                                      {0x00050014u, u64{0}, mask, mask},
                                                      {0x00030010u, u64{0}, u64{0}, u64{0}}}) {
        Machine machine(base_enabled, version);
        REQUIRE(machine.local.enable(true));
        CHECK(machine.msrs.values[0x82f] == cmci);
        CHECK(machine.msrs.values[0x833] == thermal);
        CHECK(machine.msrs.values[0x834] == pmi);
        for (const u32 number : {0x832, 0x835, 0x836, 0x837})
            CHECK(machine.msrs.values[number] == mask);
        CHECK(machine.msrs.values[0x850] == 0);
    }
    Machine amd(base_enabled, 0x80050010);
    amd.msrs.values[0x840] = 0x00030000;
    REQUIRE(amd.local.enable(true));
    CHECK(amd.msrs.values[0x850] == mask);
    CHECK(amd.msrs.values[0x852] == mask);
    CHECK(amd.msrs.values[0x853] == 0);
}

TEST_CASE("LocalApic is as after a reset for a fresh guest") {
    Machine machine(base_enabled);
    REQUIRE(machine.local.enable(true));
    for (const u32 number : {0x808, 0x828, 0x832, 0x838, 0x83e})
        machine.msrs.values[number] = 0x77;
    machine.local.reset_for_guest();
    CHECK(machine.msrs.values[0x808] == 0);
    CHECK(machine.msrs.values[0x828] == 0);
    CHECK(machine.msrs.values[0x832] == 0x10000);
    CHECK(machine.msrs.values[0x838] == 0);
    CHECK(machine.msrs.values[0x83e] == 0);
}

TEST_CASE("local APIC: what the timer's clock is divided by") {
    // SDM 3A figure 11-10, bits 3, 1 and 0
    constexpr std::pair<u64, u32> rows[] = {{0b0000, 2},  {0b0001, 4},  {0b0010, 8},   {0b0011, 16},
                                            {0b1000, 32}, {0b1001, 64}, {0b1010, 128}, {0b1011, 1}};
    for (const auto& [configuration, by] : rows)
        CHECK(drivers::apic::divider(configuration) == by);
}
