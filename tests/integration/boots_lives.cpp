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
    constexpr unsigned seconds = 210; // of the neighbour; the lives are over before
    const Guest many{.name = "lives",
                     .kernel = "lives",
                     .cmdline = "lives=" + std::to_string(count + 1),
                     .cpus = 2,
                     .memory_mib = 24,
                     .more = "on-crash = \"restart\"\nrestart-limit = 0\nrestart-delay = 0\nwatchdog = 1\n"};
    const Guest neighbour{
        .name = "neighbour", .kernel = "neighbour", .cmdline = "alone=1 seconds=" + std::to_string(seconds)};
    Boot boot = boot_of("lives", {many, neighbour}, {own_guest("lives"), own_guest("neighbour")});
    boot.quiet = std::chrono::seconds(seconds + 60); // the neighbour says nothing in that time
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

/// A Linux that a person can type into, on the first source of the console.
Guest linux_with_shell(const std::string& more) {
    return {.name = "alpha",
            .kernel = "trixie",
            .initrd = "initramfs",
            .cmdline = "console=ttyS0 -- shell",
            .cpus = 2,
            .memory_mib = 256,
            .more = more};
}

const std::string shell_waits = "^\\[alpha\\] Enter 'help'";

/// A Linux restarts itself in each way that it knows, and by the monitor, beside a guest that must not notice.
Boot reboots(const std::string& name, unsigned restarts, unsigned seconds) {
    const Guest neighbour{
        .name = "neighbour", .kernel = "neighbour", .cmdline = "alone=1 seconds=" + std::to_string(seconds)};
    Boot boot = boot_of(name, {linux_with_shell("on-crash = \"restart\"\nrestart-delay = 0\n"), neighbour},
                        {debian_kernel("trixie"), demo_initramfs(), own_guest("neighbour")});
    const std::vector<std::string> ways{"reboot -f\r", "echo triple > /sys/kernel/reboot/type; reboot -f\r",
                                        to_monitor + "restart alpha\rconsole alpha\r"};
    // The line that the shell begins with may be shown twice: what it answers then is seen once.
    for (unsigned i = 0; i <= restarts; ++i) {
        boot.typing.push_back({shell_waits, "echo life-$((" + std::to_string(i) + " + 1))\r"});
        boot.typing.push_back({"^\\[alpha\\] life-" + std::to_string(i + 1) + "$",
                               i < restarts ? ways[i % ways.size()] : std::string("poweroff -f\r")});
    }
    boot.quiet = std::chrono::seconds(seconds + 60); // the neighbour says nothing in that time
    std::vector<std::string> lives;
    for (unsigned i = 0; i <= restarts; ++i)
        lives.insert(lives.end(),
                     {"^\\[alpha\\] .*Linux version 6", "^\\[alpha\\] demo: PASS$", "guest alpha is off: "});
    boot.cases = {
        {"each life of Linux reaches its shell", {lines_in_order(lives), line(is_off("alpha", "powered off"))}},
        {"its kernel complains of nothing",
         {never("unchecked MSR access"), never("Firmware Bug"), never("Call Trace"), never("Kernel panic")}},
        {"the neighbour misses nothing, and has no exit",
         {lines_in_order({is_off("alpha", "powered off"), "^\\[neighbour\\] PASS neighbour"}),
          never("^\\[neighbour\\] FAIL")}},
    };
    return boot;
}

/// A Linux is paused for longer than its lockup detector waits, which the neighbour's life measures.
Boot paused() {
    const Guest neighbour{
        .name = "neighbour", .kernel = "neighbour", .cmdline = "seconds=30", .more = "autostart = false\n"};
    Boot boot = boot_of("paused", {linux_with_shell(""), neighbour},
                        {debian_kernel("trixie"), demo_initramfs(), own_guest("neighbour")});
    boot.typing = {
        {shell_waits, "uptime() { cut -d . -f 1 /proc/uptime; }; b=$(uptime); echo 0 > /ticks; "
                      "(i=0; while sleep 1; do i=$((i+1)); echo $i > /ticks; done) & echo counts-$((40+2))\r"},
        {"^\\[alpha\\] counts-42", to_monitor + "list\rpause alpha\rstart neighbour\r"},
        {is_off("neighbour", "powered off"), "list\rresume alpha\rconsole alpha\r"},
        {"typing goes to guest alpha", "sleep 3; m=$(($(uptime) - b - $(cat /ticks))); echo missed-$((m >= 25)) $m s, "
                                       "lockups-$(dmesg | grep -ci lockup)\r"},
        {"^\\[alpha\\] missed-\\d .*lockups-\\d", "exit\r"},
    };
    boot.cases = {
        {"a guest that does not start by itself is loaded", {line("guest neighbour: loaded")}},
        {"a paused guest executes nothing, and its time has jumped",
         {lines_in_order({"guest alpha: pause asked for", "guest alpha: paused", "guest alpha: resume asked for",
                          "^\\[alpha\\] missed-1 "})}},
        {"Linux reports no lockup",
         {line("^\\[alpha\\] missed-1 .*lockups-0"), never("soft lockup"), never("Call Trace")}},
        {"it goes on to its end", {line(is_off("alpha", "powered off"))}},
    };
    return boot;
}

/// The watchdog ends a guest that hangs, and lets those be that feed it or stop it.
Boot watchdog() {
    const Guest guest{.name = "watchdog", .kernel = "watchdog", .more = "on-crash = \"restart\""};
    const Guest neighbour{.name = "neighbour", .kernel = "neighbour", .cmdline = "seconds=10"};
    Boot boot = boot_of("watchdog", {guest, neighbour}, {own_guest("watchdog"), own_guest("neighbour")});
    boot.cases = {
        {"it ends a guest that hangs, and only then",
         {lines_in_order({"^\\[watchdog\\] I hang$", is_off("watchdog", "failed: its watchdog was not fed"),
                          is_off("watchdog", "powered off")}),
          line("^\\[watchdog\\] PASS watchdog"), never("^\\[watchdog\\] FAIL")}},
        {"a neighbour does not notice", {line("^\\[neighbour\\] PASS neighbour"), never("^\\[neighbour\\] FAIL")}},
    };
    return boot;
}

} // namespace

std::vector<Boot> life_boots() {
    // On Bochs a life of Linux beside a busy guest takes minutes.
    Boot five = reboots("reboots", 5, 240);
    Boot pause = paused();
    five.on = pause.on = {tools::MachineKind::QemuAmd};
    return {lives(), five, pause, watchdog()};
}

} // namespace bulkhead::integration
