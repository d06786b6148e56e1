// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// Guests that end and begin again: docs/life-cycle.md.
#include "integration/boot.hpp"

namespace bulkhead::integration {
namespace {

/// One command after the answer to another: a UART has 16 bytes of what comes while one is carried out.
const std::string to_monitor = "\x1dm";

/// Beside guests with many lives: it has no exit until its power button is pressed.
Guest undisturbed(const std::string& cmdline) {
    return {.name = "neighbour", .kernel = "neighbour", .cmdline = "alone=1 seconds=0 " + cmdline};
}

/// guests/lives.cpp, beside a guest that must not notice: its exits are counted over all of the time.
Boot lives() {
    constexpr unsigned count = 200;
    const Guest many{.name = "lives",
                     .kernel = "lives",
                     .cmdline = "lives=" + std::to_string(count + 1),
                     .cpus = 2,
                     .memory_mib = 24,
                     .more = "on-crash = \"restart\"\nrestart-limit = 0\nrestart-delay = 0\n"};
    Boot boot = boot_of("lives", {many, undisturbed("")}, {own_guest("lives"), own_guest("neighbour")});
    // From the first lives on nothing is new to the hypervisor.
    boot.typing = {{"^\\[lives\\] restart me 3$", to_monitor + "stats\r"},
                   {"^bulkhead: memory in use: ", "restart lives\r"}};
    for (unsigned life = 11; life <= count; life += 8)
        boot.typing.push_back({"^\\[lives\\] restart me " + std::to_string(life) + "$", "restart lives\r"});
    boot.typing.push_back({"^\\[lives\\] PASS lives", "stats\r"});
    boot.typing.push_back({"^bulkhead: memory in use: ", "shutdown neighbour\r"});
    boot.cases = {
        {"each life finds a fresh machine",
         {line("^\\[lives\\] PASS lives"), never("^\\[lives\\] FAIL"), line(is_off("lives", "powered off"))}},
        {"it ended in each way",
         {line(is_off("lives", "failed")), line(is_off("lives", "reset")),
          line(is_off("lives", "stopped, to be restarted")),
          line(is_off("lives", "failed: its watchdog was not fed"))}},
        {"the hypervisor keeps no more memory than before", {same("^bulkhead: memory in use: (.*)$", 2)}},
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
Boot reboots(const std::string& name, unsigned restarts, tools::MachineKind machine) {
    // On Bochs a life of Linux beside a guest that never sleeps takes minutes.
    const std::string cmdline = machine == tools::MachineKind::QemuAmd ? "" : "rest=1000";
    Boot boot = boot_of(name, {linux_with_shell("on-crash = \"restart\"\nrestart-delay = 0\n"), undisturbed(cmdline)},
                        {debian_kernel("trixie"), demo_initramfs(), own_guest("neighbour")});
    const std::vector<std::string> ways{"reboot -f\r", "echo triple > /sys/kernel/reboot/type; reboot -f\r",
                                        to_monitor + "restart alpha\r"};
    // The line that the shell begins with may be shown twice: what it answers then is seen once.
    for (unsigned i = 0; i <= restarts; ++i) {
        boot.typing.push_back({shell_waits, "echo life-$((" + std::to_string(i) + " + 1))\r"});
        boot.typing.push_back({"^\\[alpha\\] life-" + std::to_string(i + 1) + "$",
                               i < restarts ? ways[i % ways.size()] : std::string("poweroff -f\r")});
        if (i < restarts && i % ways.size() == 2)
            boot.typing.push_back({"guest alpha: restart asked for", "console alpha\r"});
    }
    boot.typing.push_back({is_off("alpha", "powered off"), to_monitor + "shutdown neighbour\r"});
    boot.on = {machine};
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
        {"^\\[alpha\\] counts-42", to_monitor + "pause alpha\r"},
        {"guest alpha: pause asked for", "start neighbour\r"},
        {is_off("neighbour", "powered off"), "list\r"},
        {"guest alpha: paused", "resume alpha\r"},
        {"guest alpha: resume asked for", "console alpha\r"},
        {"typing goes to guest alpha", "sleep 3; m=$(($(uptime) - b - $(cat /ticks))); echo missed-$((m >= 25)) $m s, "
                                       "lockups-$(dmesg | grep -ci lockup)\r"},
        {"^\\[alpha\\] missed-\\d .*lockups-\\d", "exit\r"},
    };
    boot.cases = {
        {"a paused guest executes nothing, and its time has jumped",
         {lines_in_order({"guest alpha: pause asked for", "guest alpha: paused", "guest alpha: resume asked for",
                          "^\\[alpha\\] missed-1 "})}},
        {"Linux reports no lockup",
         {line("^\\[alpha\\] missed-1 .*lockups-0"), never("soft lockup"), never("Call Trace")}},
        {"it goes on to its end", {line(is_off("alpha", "powered off"))}},
    };
    return boot;
}

/// What a person does to guests that run, idle, wait or are off.
Boot operations() {
    const Guest button{.name = "button", .kernel = "button"};
    const Guest worker{.name = "worker", .kernel = "neighbour", .cmdline = "seconds=20"};
    const Guest sleeper{
        .name = "sleeper", .kernel = "neighbour", .cmdline = "seconds=6", .more = "autostart = false\n"};
    Boot boot = boot_of("operations", {button, worker, sleeper}, {own_guest("button"), own_guest("neighbour")});
    boot.typing = {
        {.after = "",
         .keys = to_monitor + "list\r",
         .once = {"^\\[button\\] press my button$", "^\\[worker\\] neighbour: begins$"}},
        {"guest sleeper: loaded", "pause worker\r"},
        {"guest worker: pause asked for", "list\r"}, // from here on no CPU has anything to do
        {"guest worker: paused", "pause worker\r"},
        {"guest worker: no pause", "start sleeper\r"},
        {is_off("sleeper", "powered off"), "resume worker\r"},
        {"^\\[worker\\] PASS", "destroy sleeper\r"},
        {"guest sleeper: its memory is cleared", "list\r"},
        {"guest sleeper: loaded", "start sleeper\r"},
        {"guest sleeper: start asked for", "stop sleeper\r"},
        {is_off("sleeper", "stopped"), "frobnicate\r"},
        {"no command 'frobnicate'", "start nobody\r"},
        {"no guest 'nobody'", "resume button\r"},
        {"guest button: no resume", "log\r"},
        {"^\\[monitor\\] guest button: no resume: it runs", "shutdown button\r"},
    };
    boot.cases = {
        {"a guest that does not start by itself is loaded",
         {lines_in_order({"guest sleeper: loaded", "guest sleeper: start asked for"})}},
        {"a paused guest executes nothing while another runs",
         {lines_in_order({"guest worker: pause asked for", "guest worker: paused", "^\\[sleeper\\] PASS neighbour",
                          "guest worker: resume asked for", "^\\[worker\\] PASS neighbour"}),
          number("^\\[worker\\] PASS .* longest pause (\\d+) ms", 6000, 600000), never("\\] FAIL")}},
        {"of a destroyed guest nothing is left but its files",
         {lines_in_order({is_off("sleeper", "powered off"), is_off("sleeper", "destroyed"),
                          "guest sleeper: its memory is cleared", "guest sleeper: loaded",
                          "guest sleeper: start asked for", is_off("sleeper", "stopped")})}},
        {"shutdown presses the power button",
         {lines_in_order({"guest button: shutdown asked for", is_off("button", "powered off")}),
          line("^\\[button\\] PASS button")}},
        {"what was said is said again, from the boot on",
         {lines_in_order({"guest button: no resume", "^\\[monitor\\] hypervisor [0-9]",
                          "^\\[monitor\\] guest button: no resume"})}},
        {"what makes no sense is refused",
         {line("guest worker: no pause: it is paused"), line("no command 'frobnicate': type help"),
          line("no guest 'nobody': type list"), line("guest button: no resume: it runs")}},
    };
    return also_on_bochs_amd(boot);
}

/// One that fails at each start is started again later and later, and at last no more.
Boot back_off() {
    const Guest failing{.name = "failing",
                        .kernel = "triple-fault",
                        .more = "on-crash = \"restart\"\nrestart-limit = 3\nrestart-delay = 3000\n"};
    const Guest neighbour{.name = "neighbour", .kernel = "neighbour", .cmdline = "seconds=1"};
    Boot boot = boot_of("back-off", {failing, neighbour}, {own_guest("triple-fault"), own_guest("neighbour")});
    const std::string life = "^\\[failing\\] containment: ", off = is_off("failing", "failed");
    boot.cases = {
        {"its restarts wait longer and longer, and have an end",
         {lines_in_order({off, off, "guest failing restarts in 3000 ms", off, "guest failing restarts in 6000 ms", off,
                          "guest failing stays off: it was restarted 3 times in a row"})}},
        {"it waits as it says", {lines_in_order({life, life, "^\\[neighbour\\] PASS", life, life})}},
    };
    return boot;
}

/// The watchdog ends a guest that hangs, and lets those be that feed it or stop it.
Boot watchdog() {
    const Guest guest{.name = "watchdog", .kernel = "watchdog", .more = "on-crash = \"restart\""};
    const Guest neighbour{.name = "neighbour", .kernel = "neighbour", .cmdline = "seconds=10"};
    const Guest unaware{.name = "unaware", .kernel = "neighbour", .cmdline = "seconds=0", .more = "watchdog = 1"};
    Boot boot = boot_of("watchdog", {guest, unaware, neighbour}, {own_guest("watchdog"), own_guest("neighbour")});
    boot.cases = {
        {"it ends a guest that hangs, and only then",
         {lines_in_order({"^\\[watchdog\\] I hang$", is_off("watchdog", "failed: its watchdog was not fed"),
                          is_off("watchdog", "powered off")}),
          line("^\\[watchdog\\] PASS watchdog"), never("^\\[watchdog\\] FAIL")}},
        {"one that runs from the start ends a guest that knows nothing of it",
         {line(is_off("unaware", "failed: its watchdog was not fed")), never("^\\[unaware\\] PASS")}},
        {"a neighbour does not notice", {line("^\\[neighbour\\] PASS neighbour"), never("^\\[neighbour\\] FAIL")}},
    };
    return boot;
}

/// A guest that stays in the handler of an NMI of its own is reached all the same: its watchdog ends it, its core
/// begins its next life, and the clock rings for others.
Boot nmi_handler() {
    const Guest stuck{.name = "stuck",
                      .kernel = "watchdog",
                      .cmdline = "nmi=1",
                      .more = "on-crash = \"restart\"\nrestart-limit = 2\nrestart-delay = 0\n"};
    const Guest unaware{.name = "unaware", .kernel = "neighbour", .cmdline = "seconds=0", .more = "watchdog = 3"};
    Boot boot = boot_of("nmi-handler", {stuck, unaware, {.name = "neighbour", .kernel = "neighbour"}},
                        {own_guest("watchdog"), own_guest("neighbour")});
    const std::string hangs = "^\\[stuck\\] I hang in my NMI handler$",
                      ends = is_off("stuck", "failed: its watchdog was not fed");
    boot.cases = {{"its watchdog ends it, each life",
                   {lines_in_order({ends, ends, ends}), lines_in_order({hangs, hangs, hangs})}},
                  {"another's watchdog rings", {line(is_off("unaware", "failed: its watchdog was not fed"))}},
                  {"a neighbour goes on", {line("^\\[neighbour\\] PASS neighbour"), never("\\] FAIL")}}};
    return also_on_bochs_amd(boot);
}

/// Guests that start and stop their watchdogs all the time have the machine's clock set again each time: that of a
/// third one, which hangs, must ring all the same. (The emulators' clocks ring so soon after they are set that it did
/// also when each start set them again; with hpet.hpp's `shortest` at 100 ms it did not.)
Boot watchdog_storm() {
    const Guest unaware{.name = "unaware", .kernel = "neighbour", .cmdline = "seconds=0", .more = "watchdog = 1"};
    const Guest one{.name = "one", .kernel = "watchdog", .cmdline = "storm=10"};
    const Guest two{.name = "two", .kernel = "watchdog", .cmdline = "storm=10"};
    Boot boot = boot_of("watchdog-storm", {unaware, one, two}, {own_guest("watchdog"), own_guest("neighbour")});
    const std::string ends = is_off("unaware", "failed: its watchdog was not fed");
    boot.cases = {{"a third one's expires in the midst of it",
                   {lines_in_order({ends, "^\\[one\\] PASS watchdog"}),
                    lines_in_order({ends, "^\\[two\\] PASS watchdog"}), never("\\] FAIL")}}};
    return boot;
}

/// While a guest on the service CPU is built, the console and timeouts are served, and the guest itself can be paused
/// and stopped. On QEMU, whose host finds that memory meanwhile: on Bochs it is cleared before anybody could type.
Boot long_building() {
    const Guest large{.name = "large", .kernel = "hello", .memory_mib = 1536, .more = "autostart = false"};
    const Guest crash{.name = "crash",
                      .kernel = "triple-fault",
                      .more = "on-crash = \"restart\"\nrestart-limit = 0\nrestart-delay = 100\nautostart = false"};
    Boot boot =
        boot_of("long-building", {large, crash, guest_named("button")}, images_of({"hello", "triple-fault", "button"}));
    boot.on = {tools::MachineKind::QemuAmd};
    const auto asked = [](const std::string& what) { return "^bulkhead: guest " + what + " asked for$"; };
    boot.typing = {{"^\\[button\\] press my button", to_monitor + "start large\r"},
                   {asked("large: start"), "start crash\r"},
                   {"^bulkhead: guest crash restarts in 200 ms", "pause large\r"},
                   {asked("large: pause"), "stop large\r"},
                   {is_off("large", "stopped"), "stop crash\r"},
                   {is_off("crash", "stopped"), "start large\r"},
                   {is_off("large", "powered off"), "shutdown button\r"}};
    boot.cases = {{"what is typed is answered, and another guest starts and restarts, before it is built",
                   {lines_in_order({asked("large: start"), asked("crash: start"),
                                    "^bulkhead: guest crash restarts in 200 ms", is_off("large", "stopped")})}},
                  {"it is stopped although it was paused before that, and starts again",
                   {lines_in_order({asked("large: pause"), asked("large: stop"), is_off("large", "stopped"),
                                    "^\\[large\\] hello", is_off("large", "powered off")})}}};
    return first_on_service_cpu(boot);
}

} // namespace

std::vector<Boot> life_boots() {
    return {lives(),
            reboots("reboots", 5, tools::MachineKind::QemuAmd),
            reboots("reboots-slowly", 2, tools::MachineKind::BochsIntel),
            paused(),
            operations(),
            back_off(),
            watchdog(),
            watchdog_storm(),
            nmi_handler(),
            long_building()};
}

} // namespace bulkhead::integration
