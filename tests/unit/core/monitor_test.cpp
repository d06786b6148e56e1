// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "core/monitor.hpp"

#include <algorithm>

#include <catch2/catch_test_macros.hpp>

#include "core/console.hpp"
#include "core/failure.hpp"
#include "unit/core/machine_world.hpp"

using namespace bulkhead;
using test::World;

namespace {

/// What is typed shows up in the monitor's own ring, what it answers in the log.
std::string type(const std::string& text) {
    for (const char c : text)
        monitor::type(static_cast<u8>(c));
    std::string echo;
    for (std::optional<u8> byte; (byte = monitor::source().output->pop());)
        echo += static_cast<char>(*byte);
    return echo;
}

} // namespace

TEST_CASE("Monitor: a line is edited and carried out at its end") {
    World world({1});
    CHECK(type("lost\b\b\x7f") == "lost\b \b\b \b\b \b");
    CHECK(world.lines().size() == 1); // the clock's
    CHECK(type("ist\r") == "ist\n");
    CHECK(world.lines().back().starts_with("guest a: loaded, 1 vCPUs, "));
    CHECK(type("what\x15") == "what\b \b\b \b\b \b\b \b");
    CHECK(type("\x01\x7f") == "");
    const std::size_t lines = world.lines().size();
    type(" \r\n");
    CHECK(world.lines().size() == lines);
    type(std::string(200, 'x') + "\r"); // more than a line takes
    CHECK(world.said("no command 'xxx"));
    console::flush();
    machine.boot.keeps_log = 1;
    // Neither while its memory fills, nor when it goes round, are the last lines those that there is no room for.
    for (u32 i = 0; i < 1000; ++i) {
        type("nonsense" + std::to_string(i) + "\r");
        console::flush();
        if (i % 50 == 49)
            CHECK(type("log\r").ends_with("no command 'nonsense" + std::to_string(i) + "': type help\n"));
    }
    machine.boot.keeps_log = 0;
    CHECK(type("log\r") == "log\n");
    CHECK(world.said("'log = false'"));
}

TEST_CASE("Monitor: it says what is wrong with a command") {
    World world({1});
    type("lits\r");
    CHECK(world.lines().back() == "no command 'lits': type help");
    type("start nobody\r");
    CHECK(world.lines().back() == "no guest 'nobody': type list, then start and a guest's name");
    type("start\r");
    CHECK(world.lines().back() == "no guest '': type list, then start and a guest's name");
    type("list a\r");
    CHECK(world.lines().back() == "list takes nothing behind it");
    type("pause a\r");
    CHECK(world.lines().back() == "guest a: no pause: it is off");
    type("help\r");
    CHECK(world.said("start GUEST: begin a life of one that is off"));
    CHECK(world.said("list: the guests and their states"));
}

TEST_CASE("Monitor: it starts, stops and shows guests") {
    World world({2, 1});
    type("start a\r");
    CHECK(world.lines().back() == "guest a: start asked for");
    world.settle();
    CHECK(world.state(0) == "running");
    CHECK(world.state(1) == "loaded");
    world.pass(5000);
    type("list\r");
    CHECK(world.said("guest a: running, 2 vCPUs, "));
    CHECK(world.said(", started 1 times, last 5 s ago"));
    const FailureRecord record{.what = "it did so", .value = 7, .reason = ExitReason::TripleFault, .rip = 0x1234};
    print_failure(world.core(1), record, {});
    CHECK(std::ranges::count(world.records, "guest a vCPU 1 stopped at RIP 0x0000000000001234: it did so (0x7)",
                             &JournalEntry::line) == 1);
    CHECK(world.said("registers as saved at the shutdown"));
    CHECK(world.said("guest a: r12 0x0000000000000000 r13 0x0000000000000000"));
    world.core(0).exits[static_cast<u32>(ExitReason::Cpuid)] = 3;
    world.core(0).dropped_ipis = 2;
    world.core(0).hypervisor_ticks = 4'000'000;
    type("show a\r");
    CHECK(world.said("failed last on vCPU 1 at RIP 0x1234: it did so"));
    CHECK(world.said("guest a: vCPU 1 on CPU 1 (APIC ID 2), does not run"));
    CHECK(world.said("exits of a vCPU 0: total 3, cpuid 3; hypervisor microseconds 4000; dropped IPIs 2"));
    CHECK(world.said("guest a: on-crash stop, on-reboot restart, restart-limit 0, restart-delay 0 ms, watchdog 0 s"));
    type("stop a\r");
    world.settle();
    CHECK(world.state(0) == "stopped");
    type("console b\r");
    CHECK(world.lines().back() == "typing goes to guest b");
    type("stats\r");
    CHECK(world.said("exits of b vCPU 0: total 0; hypervisor microseconds 0"));
    CHECK(world.lines().back() == "memory in use: 0 KiB, and 0 KiB of tables of pages that were split");
}

TEST_CASE("Failure: what is outside of a guest's memory, and what is a device") {
    using enum GuestAddressClass;
    CHECK(violation_by({.guest_physical = 0}, NotTheGuests) == "read outside of the guest's memory");
    CHECK(violation_by({.guest_physical = 0, .write = true}, NotTheGuests) == "write outside of the guest's memory");
    CHECK(violation_by({.guest_physical = 0, .execute = true}, Ram) == "execution outside of the guest's memory");
    CHECK(violation_by({.guest_physical = 0, .execute = true}, IoApic) == "execution where there is no memory");
    CHECK(violation_by({.guest_physical = 0, .page_walk = true}, IoApic) == "page table where there is no memory");
    CHECK(violation_by({.guest_physical = 0, .write = true}, IoApic).empty());
}

TEST_CASE("Failure: an unknown MSR is counted each time, and said once") {
    World world({1});
    ReportedMsrs reported;
    const std::size_t lines = world.lines().size();
    report_unknown_msr(world.core(0), reported, 0x123, false);
    report_unknown_msr(world.core(0), reported, 0x123, true);
    report_unknown_msr(world.core(0), reported, 0x124, true);
    CHECK(world.core(0).unknown_msrs == 3);
    CHECK(world.lines().size() == lines + 2);
    CHECK(world.lines().back() == "guest a vCPU 0: #GP for the unknown MSR 0x124, written");
}
