// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// Guests that try to get out (guests/attack/), beside one that must not notice: docs/isolation.md has the table.
#include "integration/boot.hpp"

namespace bulkhead::integration {
namespace {

constexpr auto next_life = "on-crash = \"restart\"\nrestart-limit = 0\nrestart-delay = 0\n";

/// The last one is the CPU's own access in an instruction that has none, for which nothing is emulated.
constexpr auto memory_stops = "(read|write|execution) outside of the guest's memory|execution where there is no memory|"
                              "page table where there is no memory|not an instruction that exits need";

/// One attacker, and the groups that it counts.
struct Attacker {
    std::string name;
    std::vector<std::string> groups;
    std::string cmdline{};
    unsigned cpus = 1;
    std::string more{};
    std::string stops{}; ///< why the hypervisor may stop it, a regex
};

/// All at the same time. The neighbour's button is pressed when the last one is off.
Boot attacks(const std::string& name, const std::vector<Attacker>& attackers) {
    std::vector<Guest> guests;
    std::vector<tools::ImageFile> files;
    std::vector<std::string> ends;
    for (const Attacker& each : attackers) {
        const std::string image = "attack-" + each.name;
        guests.push_back({.name = each.name,
                          .kernel = image,
                          .cmdline = each.cmdline,
                          .cpus = each.cpus,
                          .memory_mib = 24,
                          .more = each.more});
        files.push_back(own_guest(image));
        ends.push_back(is_off(each.name, "powered off"));
    }
    guests.push_back({.name = "neighbour", .kernel = "neighbour", .cmdline = "alone=1 seconds=0 rest=100"});
    files.push_back(own_guest("neighbour"));
    Boot boot = boot_of(name, guests, files);
    boot.typing = {{.after = "", .keys = "\x1dmshutdown neighbour\r", .once = ends}};
    for (const Attacker& each : attackers) {
        const std::string said = "^\\[" + each.name + "\\] ";
        for (const std::string& group : each.groups)
            boot.cases.push_back({group + ": no escape",
                                  {line(said + "attack: " + group + ": [1-9]\\d* cases, 0 escapes$"),
                                   never(said + "FAIL"), line(is_off(each.name, "powered off"))}});
    }
    for (const Attacker& each : attackers)
        if (!each.stops.empty())
            boot.cases.push_back({each.name + " is stopped for what it did",
                                  {never("^bulkhead: guest " + each.name +
                                         " vCPU \\d+ stopped(?! at RIP 0x[0-9a-f]+: (" + each.stops + "))")}});
    boot.cases.push_back({"the neighbour misses nothing, and has no exit",
                          {line("^\\[neighbour\\] PASS neighbour"), never("^\\[neighbour\\] FAIL"),
                           line(is_off("neighbour", "powered off"))}});
    boot.cases.push_back({"the hypervisor has no fault", {never("^bulkhead: hypervisor: [#a-z]")}});
    return boot;
}

} // namespace

std::vector<Boot> attack_boots() {
    return {attacks("attacks", {{"memory", {"memory", "memory that stops"}, "", 1, next_life, memory_stops},
                                {"ports", {"ports"}},
                                {"msr", {"msr"}}})};
}

} // namespace bulkhead::integration
