// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// Guests that end and begin again: docs/life-cycle.md.
#include "integration/boot.hpp"

namespace bulkhead::integration {
namespace {

const std::string to_monitor = "\x1dm";

/// guests/lives.cpp, beside a guest that must not notice: its exits are counted over all of the time.
Boot lives() {
    constexpr unsigned count = 200;
    constexpr unsigned seconds = 100; // of the neighbour; the lives are over before
    const Guest many{.name = "lives",
                     .kernel = "lives",
                     .cmdline = "lives=" + std::to_string(count + 1),
                     .cpus = 2,
                     .memory_mib = 24,
                     .more = "on-crash = \"restart\"\nrestart-limit = 0\nrestart-delay = 0\nwatchdog = 1\n"};
    const Guest neighbour{
        .name = "neighbour", .kernel = "neighbour", .cmdline = "alone=1 seconds=" + std::to_string(seconds)};
    Boot boot = boot_of("lives", {many, neighbour}, {own_guest("lives"), own_guest("neighbour")});
    std::string keys = to_monitor;
    for (unsigned life = 3; life <= count; life += 8) {
        boot.typing.push_back({"^\\[lives\\] life " + std::to_string(life) + "$", keys + "restart lives\r"});
        keys.clear();
    }
    boot.cases = {
        {"each life finds a fresh machine",
         {line("^\\[lives\\] PASS lives"), never("^\\[lives\\] FAIL"), line(is_off("lives", "powered off"))}},
        {"it ended in each way",
         {line(is_off("lives", "failed")), line(is_off("lives", "reset")),
          line(is_off("lives", "stopped, to be restarted")),
          line(is_off("lives", "failed: its watchdog was not fed"))}},
        {"the neighbour misses nothing, and has no exit",
         {lines_in_order({"\\[lives\\] PASS lives", "^\\[neighbour\\] PASS neighbour"}),
          never("^\\[neighbour\\] FAIL")}},
    };
    return boot;
}

} // namespace

std::vector<Boot> life_boots() { return {lives()}; }

} // namespace bulkhead::integration
