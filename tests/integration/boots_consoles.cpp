// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// What guests and the hypervisor are seen on: serial ports, shared and a guest's own, and the screen.
#include "integration/boot.hpp"

namespace bulkhead::integration {
namespace {

/// The same guest twice, once with a serial port of its own.
Boot own_port() {
    const Guest own{.name = "own", .kernel = "echo", .more = "console-port = 0x2f8"};
    const Guest sharing{.name = "sharing", .kernel = "echo"};
    Boot boot = boot_of("own-port", {own, sharing}, images_of({"echo"}));
    boot.options.guest_ports = {{.guest = "own", .port = 0x2f8, .irq = 3}};
    boot.typing = {{"^echo: type a line", "a line for COM2\r", "own"},
                   // As much at once as a 16550 keeps.
                   {"^\\[sharing\\] echo: type a line", "\x1d\x31\x1dm"},
                   {"typing goes to the monitor", "console own\r"},
                   {"^\\[monitor\\] console own", "console sharing\r"},
                   {"typing goes to guest sharing", "a line for COM1\r"}};
    boot.cases = {{"its lines are there, as they are",
                   {lines_in_order({"^echo: type a line$", "^PASS echo: got \"a line for COM2\"$"}),
                    never("^\\[own\\]|sharing\\]|bulkhead: guest \\w+ is off|COM1")},
                   everywhere,
                   "own"},
                  {"all others' are on the shared port",
                   {line("^bulkhead: guest own: its console is the port 0x2f8, interrupt 3$"),
                    line("^\\[sharing\\] PASS echo: got \"a line for COM1\"$"), line(is_off("own", "powered off")),
                    line(is_off("sharing", "powered off")), never("\\[own\\]|COM2|dropped")}},
                  {"nobody types into it on the shared port",
                   {lines_in_order({"guest own has a serial port of its own", "typing goes to the monitor",
                                    "guest own has a serial port of its own", "typing goes to guest sharing"}),
                    never("typing goes to guest own")}}};
    return also_on_bochs_amd(boot);
}

/// The machine does not have the serial port that a guest is to have for itself.
Boot absent_port() {
    Boot boot = boot_of("absent-port", {{.name = "hello", .kernel = "hello", .more = "console-port = 0x2f8"}},
                        images_of({"hello"}));
    boot.cases = {passes("hello"),
                  {"it shares the hypervisor's, which says why",
                   {line("^bulkhead: guest hello: console-port 0x2f8: .*no 16550 answers.*: it shares the "
                         "hypervisor's port$")}}};
    return boot;
}

/// Who has no serial port sees all on the screen: each stage of the boot, the loader's first, what guests print and how
/// they are.
Boot screen() {
    Boot boot =
        boot_of("screen", {guest_named("triple-fault"), guest_named("neighbour", "seconds=5"), guest_named("button")},
                images_of({"triple-fault", "neighbour", "button"}));
    boot.options.screen = true;
    boot.photographs = {{"boot", "^bulkhead: stages in microseconds: .*CPUs and guests \\d"},
                        {"guests", "^bulkhead: memory in use: "}};
    const auto on_qemu = std::vector{tools::MachineKind::QemuAmd};
    boot.cases = {
        {"the whole boot is on it",
         {lines_in_order({"^bulkhead: Bulkhead ", "^bulkhead: stage 1 of (\\d+): machine$", "^bulkhead: stage 12 of ",
                          "^bulkhead: stage 13 of ", "^bulkhead: hypervisor ",
                          "^bulkhead: stage 18 of 18: ", "^bulkhead: stages in microseconds: 1 machine \\d+, "}),
          never("\x7f")},
         on_qemu,
         "screen boot"},
        {"guests are on it, and how they are",
         {line("^\\[neighbour\\] "), line("^bulkhead: guest triple-fault is off: failed"),
          line("^ triple-fault: failed +neighbour: stopped +button: running")},
         on_qemu,
         "screen guests"},
        passes("neighbour"),
        {"there is one", {line("^bulkhead: \\d+ CPUs, .*, screen \\d+ x \\d+$")}},
        {"the serial port has the same stages",
         {lines_in_order(
             {"^bulkhead: stage 12 of ", "^bulkhead: stage 13 of 18: clocks$", "^bulkhead: stage 14 of "})}},
    };
    // The states are drawn after the line that tells of them: this one comes later.
    boot.typing = {
        {.after = "",
         .keys = "\x1ds",
         .once = {is_off("neighbour", "powered off"), "^\\[neighbour\\] (PASS|FAIL) neighbour"}}}; // two rings
    boot.until = "^bulkhead: memory in use: ";
    return boot;
}

/// The hypervisor has no serial port: nothing is lost but what could be typed to it, and the screen has all. A guest
/// with a port of its own says when there is something to see.
Boot no_serial() {
    const Guest own{.name = "own", .kernel = "echo", .more = "console-port = 0x2f8"};
    Boot boot = boot_of("no-serial", {own, guest_named("neighbour", "seconds=1")}, images_of({"echo", "neighbour"}));
    boot.configuration = "[hypervisor]\nconsole-port = 0\n\n" + boot.configuration;
    boot.options.guest_ports = {{.guest = "own", .port = 0x2f8, .irq = 3}};
    boot.options.screen = true;
    boot.photographs = {{"own", "^echo: type a line", "own"}};
    boot.typing = {{"^echo: type a line", "seen\r", "own"}};
    boot.cases = {
        {"the screen shows the boot",
         {lines_in_order({"^bulkhead: stage 12 of 18", "^bulkhead: hypervisor ", "^bulkhead: stage 18 of 18: "})},
         {tools::MachineKind::QemuAmd},
         "screen own"},
        {"nothing is said on the port", {line("Bulkhead "), never("stage 1[3-8] of|\\[neighbour\\]")}},
        {"guests run", {line("^PASS echo: got \"seen\"$")}, everywhere, "own"}};
    return boot;
}

/// The screen is left as the firmware had it.
Boot no_screen() {
    Boot boot = boot_of("no-screen", {guest_named("neighbour", "seconds=1")}, images_of({"neighbour"}));
    boot.configuration = "[hypervisor]\nscreen = false\n\n" + boot.configuration;
    boot.options.screen = true;
    boot.photographs = {{"running", "^\\[neighbour\\] "}};
    boot.cases = {passes("neighbour"),
                  {"nothing of the hypervisor is on it",
                   {never("bulkhead: stage 1[2-8] of|neighbour")},
                   {tools::MachineKind::QemuAmd},
                   "screen running"}};
    return boot;
}

/// Neither console: the loader says so in the last line that anybody sees, by the firmware's own.
Boot nothing_to_see() {
    Boot boot = boot_of("nothing-to-see", {guest_named("neighbour", "seconds=1")}, images_of({"neighbour"}));
    boot.configuration = "[hypervisor]\nscreen = false\nconsole-port = 0\n\n" + boot.configuration;
    boot.until = "^bulkhead: this is the last line: ";
    boot.cases = {{"it is said where the lines end", {line(boot.until)}}};
    return boot;
}

/// Nobody can type, and all that is said arrives: the console is polled where it has no interrupt. Nothing else happens
/// then that the service CPU could be woken by.
Boot no_interrupt() {
    Boot boot = boot_of("no-interrupt", {guest_named("button")}, images_of({"button"}));
    boot.configuration = "[hypervisor]\nconsole-irq = 0\n\n" + boot.configuration;
    boot.until = "^\\[button\\] press my button$";
    boot.cases = {{"a line longer than a FIFO comes out", {line(boot.until)}}};
    return boot;
}

/// Two guests print as fast as they can, one of them nothing that is seen; a third has the CPU that serves the
/// consoles, is done before them, and has at least a third of its time meanwhile. `more`: of the hypervisor's table.
Boot printers(const std::string& name, const std::string& more) {
    const Guest lines{.name = "lines", .kernel = "hello", .cmdline = "seconds=8"};
    const Guest nothing{.name = "nothing", .kernel = "hello", .cmdline = "seconds=8 nothing=1"};
    Boot boot =
        boot_of(name, {guest_named("neighbour", "seconds=2"), lines, nothing}, images_of({"neighbour", "hello"}));
    const std::string any = "cpus = 1";
    boot.configuration.replace(boot.configuration.find(any), any.size(), "cpus = [1]");
    boot.configuration = "[hypervisor]\nservice-cpu = 1\n" + more + "\n" + boot.configuration;
    boot.options.screen = true; // which takes longest
    boot.cases = {passes("neighbour"),
                  {"whose CPU serves them is done before them",
                   {line("^bulkhead: console served by CPU 1, which a guest owns$"),
                    lines_in_order({is_off("neighbour", "powered off"), is_off("lines", "powered off")}),
                    lines_in_order({is_off("neighbour", "powered off"), is_off("nothing", "powered off")})}},
                  neighbour_takes("a tenth", 100, tools::MachineKind::QemuAmd), // its CPUs take turns, too
                  neighbour_takes("a third", 333, tools::MachineKind::BochsIntel)};
    return boot;
}

} // namespace

std::vector<Boot> console_boots() {
    return {own_port(),
            absent_port(),
            screen(),
            no_serial(),
            no_screen(),
            nothing_to_see(),
            no_interrupt(),
            printers("printers", ""),
            printers("printers-without-interrupt", "console-irq = 0\n")};
}

} // namespace bulkhead::integration
