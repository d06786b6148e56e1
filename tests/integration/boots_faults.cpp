// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// Faults, injected while a machine boots and while it runs: docs/faults.md has the table of all.
#include "integration/boot.hpp"
#include "integration/nmi_walk.hpp"
#include "integration/run_time_faults.hpp"

namespace bulkhead::integration {
namespace {

/// A guest on these CPUs.
std::string on_cpus(const std::string& list, Guest guest) {
    std::string text = configuration_of({std::move(guest)});
    return text.replace(text.find("cpus = "), text.find("\nmemory") - text.find("cpus = "), "cpus = [" + list + "]");
}

/// NMIs before each instruction between an exit and the next entry: none is lost, the guest does not notice.
Boot nmi_everywhere() {
    Boot boot = boot_of("nmi-everywhere", {}, {own_guest("exits")});
    boot.configuration = on_cpus("1", {.name = "exits", .kernel = "exits"});
    boot.options.cpus = 2;
    boot.quiet = std::chrono::seconds(600);
    boot.on = {tools::MachineKind::QemuAmd};
    const std::string ready = "^\\[exits\\] one exit after the other";
    boot.looks = {{.name = "walk", .after = ready, .instead = walk_with_nmi}};
    boot.typing = {{ready, "\x1dmshutdown exits\r"}};
    boot.cases = {{"the guest does not notice",
                   {line("^\\[exits\\] PASS exits: \\d+ rounds"), never("FAIL|stopped|hypervisor: #"),
                    line(is_off("exits", "powered off"))}},
                  {"each NMI is taken",
                   {number("^NMIs before (\\d+) of \\1 instructions, taken \\1$", 1000, 100'000)},
                   everywhere,
                   "outside walk"}};
    return boot;
}

/// VM entries that the CPU refuses, and two faults of the hypervisor's own at the same moment.
Boot run_time_faults() {
    Boot boot = boot_of("run-time-faults", {}, {own_guest("exits"), own_guest("neighbour")});
    boot.configuration = on_cpus("5", {.name = "neighbour", .kernel = "neighbour", .cmdline = "seconds=3"});
    for (const std::string name : {"asid", "efer", "fetch", "opcode"})
        boot.configuration += on_cpus(std::to_string(boot.options.cpus++), {.name = name, .kernel = "exits"});
    ++boot.options.cpus;
    boot.on = {tools::MachineKind::QemuAmd};
    boot.looks = {{.name = "damage",
                   .after = "^bulkhead: all guests that start by themselves run",
                   .instead = damage_running_guests}};
    const auto refused = [](const std::string& guest) {
        const std::string own = "^bulkhead: guest " + guest;
        return Case{"the CPU refuses to enter " + guest,
                    {lines_in_order({own + " vCPU 0 stopped at RIP 0x[0-9a-f]{16}: the CPU refused the guest's state "
                                           "\\(0xffffffffffffffff\\)",
                                     own + ": exit entry-failure, code 0xffffffffffffffff", own + ": rax ",
                                     is_off(guest, "failed")}),
                     line(own + " vCPU 0: VMRUN: the CPU does not say which check")}};
    };
    const auto astray = [](const std::string& guest, const std::string& exception) {
        return Case{"the hypervisor's own fault costs " + guest + " only",
                    {lines_in_order({"^bulkhead: guest " + guest + " vCPU 0 stopped: a fault of the hypervisor while",
                                     is_off(guest, "failed")}),
                     line("^bulkhead: hypervisor: " + exception)}};
    };
    boot.cases = {
        refused("asid"),
        refused("efer"),
        astray("fetch", "#PF \\(0x1?0\\) at 0x0{16}, cr2 0x0{16}"),
        astray("opcode", "#UD \\(0x0\\) at 0xffffffff8"),
        {"a neighbour goes on", {line("^\\[neighbour\\] PASS neighbour"), never("\\] FAIL|something shared")}}};
    return boot;
}

/// CPUs that the tables list do not answer: only who needs them suffers.
Boot absent_cpus() {
    Boot boot = boot_of("absent-cpus", {}, {own_guest("hello"), own_guest("neighbour")});
    boot.configuration = on_cpus("1", {.name = "hello", .kernel = "hello"}) +
                         on_cpus("2, 3", {.name = "half", .kernel = "neighbour", .cmdline = "seconds=1"}) +
                         on_cpus("4", {.name = "none", .kernel = "hello"});
    boot.options.cpus = 3;
    boot.options.absent_cpus = 2;
    boot.lists_absent_cpus = true;
    const auto silent = [](unsigned cpu) {
        return "^bulkhead: CPU " + std::to_string(cpu) + " \\(APIC ID \\d+\\) did not answer its start-up IPI$";
    };
    boot.cases = {
        {"each is named", {lines_in_order({silent(3), silent(4)}), never("CPU [0-2] .*did not answer")}},
        {"a guest without them runs", {line("^\\[hello\\] hello"), line(is_off("hello", "powered off"))}},
        {"a guest whose second CPU is silent has one",
         {line("^\\[half\\] PASS neighbour"), line(is_off("half", "powered off"))}},
        {"a guest whose only CPU is silent does not start", {line(is_off("none", "failed")), never("^\\[none\\] ")}}};
    return boot;
}

} // namespace

std::vector<Boot> fault_boots() { return {nmi_everywhere(), absent_cpus(), run_time_faults()}; }

} // namespace bulkhead::integration
