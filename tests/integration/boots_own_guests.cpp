// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// Our own guests: docs/guests.md says what each proves.
#include "integration/boot.hpp"
#include "tools/folders.hpp"

namespace bulkhead::integration {
namespace {

/// For a guest that resets itself, so that its end is seen.
constexpr auto stays_off = "on-reboot = \"stop\"";

std::vector<Guest> guests_named(const std::vector<std::string>& names) {
    std::vector<Guest> guests;
    for (const std::string& name : names)
        guests.push_back(guest_named(name));
    return guests;
}

/// One core each, all at the same time.
Boot properties(const std::string& name, const std::vector<std::string>& names) {
    Boot boot = boot_of(name, guests_named(names), images_of(names));
    for (const std::string& guest : names)
        boot.cases.push_back(passes(guest));
    boot.cases.push_back({"no guest is stopped", {never("stopped at RIP")}});
    return boot;
}

/// The focus is on the first guest of the configuration.
Boot properties_of_devices() {
    Boot boot = properties("devices", {"echo", "acpi", "ioapic", "uart", "memory", "hello"});
    boot.typing = {{"^\\[echo\\] echo: type a line", "a line for the echo\r"}};
    boot.cases.push_back({"what is typed arrives whole", {line("^\\[echo\\] PASS echo: got \"a line for the echo\"")}});
    return boot;
}

/// `guest` fails there, and only in the checks that begin with one of `checks` (a regex): so many of them.
Case fails_on(tools::MachineKind machine, const std::string& guest, const std::string& checks, unsigned failures) {
    const std::string failed = "^\\[" + guest + "\\] FAIL " + guest + ": ";
    const std::string sum = std::to_string(failures) + " of \\d+ checks failed";
    return {guest + " fails only where " + std::string(tools::name_of(machine)) + " does",
            {line(failed + sum), never(failed + "(?!" + checks + "|" + sum + ")"), never(guest + " .*stopped at RIP")},
            {machine}};
}

/// Bochs 3.0: VMRUN does not load CR2 (APM 2 15.5.1), and its ryzen has no x2APIC, so that a tick costs exits: for the
/// interrupt's end and twice for the timer.
Boot properties_of_cpu() {
    constexpr auto bochs = tools::MachineKind::BochsAmd;
    Boot boot = properties("cpu", {"cpuid", "msr", "ports", "zero-exit"});
    for (Case& each : boot.cases) {
        if (each.name == "ports passes" || each.name == "zero-exit passes")
            std::erase(each.on, bochs);
    }
    boot.cases.push_back(fails_on(bochs, "ports", "rep (insb to|outsb from) no page: vector 14", 2));
    boot.cases.push_back(fails_on(bochs, "zero-exit", "\\d+ exits in \\d+ ticks", 1));
    boot.cases.push_back(
        {"a tick costs 3 exits", {number("FAIL zero-exit: (\\d+) exits in 1\\d\\d ticks", 300, 330)}, {bochs}});
    return also_on_bochs_amd(boot);
}

/// Alone on its CPU: with several, Bochs 3.0 saves a wrong RIP at an exit right after an event's delivery, where
/// another CPU has the next turn, and this guest has such an exit: for the NMI window, behind a timer's interrupt.
Boot x2apic() {
    Boot boot = properties("x2apic", {"x2apic"});
    boot.options.cpus = 1;
    return also_on_bochs_amd(boot);
}

/// The APIC's modes, of two vCPUs. On bochs-amd an x2APIC's registers exit too.
Boot xapic() {
    constexpr auto bochs = tools::MachineKind::BochsAmd;
    Boot boot = boot_of("xapic", {{.name = "xapic", .kernel = "xapic", .cpus = 2}}, images_of({"xapic"}));
    boot.cases = {passes("xapic"), {"no guest is stopped", {never("stopped at RIP")}}};
    std::erase(boot.cases[0].on, bochs);
    boot.cases.push_back(fails_on(bochs, "xapic", "exits of a self-IPI, its EOI included", 1));
    return also_on_bochs_amd(boot);
}

/// Not on bochs-amd: an intercepted #DB leaves DR6 alone there (APM 2 15.12.2), and a single step over an intercepted
/// instruction is a #DB of the hypervisor's.
Boot controls() {
    const Guest reset{.name = "reset", .kernel = "reset", .more = stays_off};
    Boot boot = boot_of("controls", {guest_named("controls"), reset}, images_of({"controls", "reset"}));
    boot.cases = {passes("controls"), passes("reset", "reset"), {"no guest is stopped", {never("stopped at RIP")}}};
    return boot;
}

/// Several vCPUs, which send each other much, beside a guest that must not exit for it.
Boot several_vcpus() {
    const Guest smp{.name = "smp", .kernel = "smp", .cmdline = "cpus=3", .cpus = 3};
    Boot boot = boot_of("smp", {smp, guest_named("zero-exit")}, images_of({"smp", "zero-exit"}));
    boot.cases = {passes("smp"), passes("zero-exit"), {"no guest is stopped", {never("stopped at RIP")}}};
    return boot;
}

/// The hypervisor is heard on a core whose guest wants it all: nothing ends the storm but a command of the monitor.
Boot storm(const std::string& name, const std::string& cmdline) {
    constexpr unsigned cpus = 5;
    Boot boot =
        boot_of(name, {{.name = "storm", .kernel = "storm", .cmdline = cmdline, .cpus = cpus}}, images_of({"storm"}));
    const std::string count = "cpus = " + std::to_string(cpus);
    boot.configuration.replace(boot.configuration.find(count), count.size(), "cpus = [0, 1, 2, 3, 4]");
    boot.configuration = "[hypervisor]\nservice-cpu = 1\n\n" + boot.configuration;
    boot.typing = {{"^\\[storm\\] it rages", "\x1dmlist\r"}, {"guest storm: running", "shutdown storm\r"}};
    boot.cases = {passes("storm"), {"no guest is stopped", {never("stopped at RIP")}}};
    return boot;
}

/// vCPUs that wait for each other, for their timers and for the UART in HLT, while they are paused and go on: what is
/// lost at any of these moments ends it.
Boot wakes() {
    const Guest wakes{.name = "wakes", .kernel = "wakes", .cmdline = "rounds=40000", .cpus = 2};
    Boot boot = boot_of("wakes", {wakes}, images_of({"wakes"}));
    boot.typing = {{"^\\[wakes\\] the ball is in play$", "\x1dmpause wakes\r"}};
    std::vector<std::string> pauses;
    for (unsigned i = 0; i < 5; ++i) {
        pauses.insert(pauses.end(), {"guest wakes: pause asked for", "guest wakes: resume asked for"});
        boot.typing.push_back({"guest wakes: pause asked for", "resume wakes\r"});
        boot.typing.push_back({"guest wakes: resume asked for", i < 4 ? "pause wakes\r" : "list\r"});
    }
    pauses.emplace_back("^\\[wakes\\] PASS wakes");
    boot.cases = {passes("wakes"),
                  {"it goes on after each pause", {lines_in_order(pauses)}},
                  {"no guest is stopped", {never("stopped at RIP")}}};
    return boot;
}

/// vCPUs on cores whose APIC IDs need more than 8 bits, and one on a core near by.
Boot far_cpus() {
    const Guest smp{.name = "smp", .kernel = "smp", .cmdline = "cpus=3", .cpus = 3};
    Boot boot = boot_of("far-cpus", {smp, guest_named("zero-exit")}, images_of({"smp", "zero-exit"}));
    boot.on = {tools::MachineKind::QemuAmd};
    boot.options.far_cpus = 3;
    boot.cases = {{"IDs of 256 and more are in use",
                   {line("^guest smp: CPUs 1, 2, 3 \\(APIC IDs 1, 256, 260\\), "),
                    line("^guest zero-exit: CPU 4 \\(APIC ID 264\\), ")}},
                  passes("smp"),
                  passes("zero-exit"),
                  {"no guest is stopped", {never("stopped at RIP")}}};
    return boot;
}

/// One guest with more vCPUs than a cluster of logical x2APIC IDs has members.
Boot many_vcpus() {
    constexpr unsigned cpus = 32;
    Boot boot = boot_of("many-vcpus",
                        {{.name = "many", .kernel = "many", .cmdline = "cpus=" + std::to_string(cpus), .cpus = cpus}},
                        images_of({"many"}));
    boot.on = {tools::MachineKind::QemuAmd};
    boot.cases = {passes("many"), {"no guest is stopped", {never("stopped at RIP")}}};
    return boot;
}

Boot many_guests() {
    constexpr unsigned number_of_guests = 16;
    std::vector<Guest> guests;
    std::vector<Expectation> all_pass{never("\\] FAIL"), never("stopped at RIP")};
    for (unsigned i = 1; i <= number_of_guests; ++i) {
        const std::string name = "guest-" + std::to_string(i);
        guests.push_back({.name = name, .kernel = "many", .memory_mib = 32});
        all_pass.push_back(line("^\\[" + name + "\\] PASS many\\b"));
        all_pass.push_back(line(is_off(name, "powered off")));
    }
    Boot boot = boot_of("many-guests", guests, images_of({"many"}));
    boot.on = {tools::MachineKind::QemuAmd};
    boot.cases = {{"every guest passes", all_pass}};
    return boot;
}

/// Guests that do what none may, and one among them that must not notice. The hypervisor's lines and the guests' come
/// from different rings: their order says nothing.
Boot containment(const std::string& boot_name, const std::vector<std::string>& culprits) {
    std::vector<Guest> guests = guests_named(culprits);
    for (Guest& culprit : guests)
        culprit.more = stays_off;
    guests.push_back(guest_named("neighbour", "seconds=10"));
    std::vector<tools::ImageFile> files = images_of(culprits);
    files.push_back(own_guest("neighbour"));
    Boot boot = boot_of(boot_name, guests, files);
    for (const std::string& name : culprits) {
        const std::string own_line = "^bulkhead: guest " + name;
        boot.cases.push_back({name + " is stopped, with a record",
                              {line("^\\[" + name + "\\] containment: "),
                               lines_in_order({own_line + " vCPU 0 stopped at RIP 0x", own_line + ": .*\\brax 0x",
                                               is_off(name, "failed")}),
                               never("^\\[" + name + "\\] FAIL")}});
    }
    boot.cases.push_back(passes("neighbour"));
    return boot;
}

/// A machine that is reset says afterwards what went wrong before.
Boot journal() {
    Boot boot = boot_of("journal", {guest_named("triple-fault")}, images_of({"triple-fault"}));
    boot.configuration = "[hypervisor]\nwhen-off = \"reboot\"\n\n" + boot.configuration;
    boot.options.goes_on_after_reset = true;
    const std::string before = "^bulkhead: before the last reset: guest triple-fault";
    boot.cases = {
        {"the second boot has the record of the first",
         {lines_in_order({"^bulkhead: hypervisor ", "^bulkhead: guest triple-fault: .*\\br15 0x",
                          "^bulkhead: hypervisor ", before + " vCPU 0 stopped at RIP 0x[0-9a-f]{16}: ",
                          before + ": exit ", before + ": cr0 ", before + ": rax 0x", before + ": .*\\br15 0x"})}},
    };
    boot.until = before + ": .*\\br15 0x";
    return boot;
}

/// Nothing of what was said is kept.
Boot without_log() {
    Boot boot = boot_of("without-log", {{.name = "button", .kernel = "button"}}, {own_guest("button")});
    boot.configuration = "[hypervisor]\nlog = false\n\n" + boot.configuration;
    const std::string refusal = "^bulkhead: the configuration has 'log = false'$";
    boot.typing = {{"^\\[button\\] press my button$", "\x1dmlog\r"}, {refusal, "shutdown button\r"}};
    boot.cases = {{"the monitor says so",
                   {line(refusal), never("^\\[monitor\\] .*hypervisor "), line(is_off("button", "powered off"))}}};
    return boot;
}

/// A fault of the hypervisor's own costs the guest that it served, and nobody else; a guest cannot cause one by itself.
Boot own_fault() {
    Boot boot = boot_of("own-fault", {guest_named("fault"), guest_named("neighbour", "seconds=5")},
                        images_of({"fault", "neighbour"}));
    boot.configuration = "[hypervisor]\ndebug-faults = true\n\n" + boot.configuration;
    boot.cases = {
        {"it is recorded, and its guest is off",
         {line("^\\[fault\\] now"), never("\\] (PASS|FAIL) fault"),
          lines_in_order({"^bulkhead: guest fault vCPU 0 stopped: a fault of the hypervisor while it served it",
                          "^bulkhead: hypervisor: #UD .* at 0x[0-9a-f]{16}, cr2 ", is_off("fault", "failed")})}},
        passes("neighbour"),
    };
    return boot;
}

/// With a lock held the core stops, and gives up the lock. The others go on: its guest's other vCPU ends, the monitor
/// is answered, a watchdog behind its guest's rings, and the machine ends when all have.
Boot halt() {
    const Guest fault{.name = "fault",
                      .kernel = "fault",
                      .cmdline = "machine=1",
                      .cpus = 2,
                      .more = "watchdog = 2\non-crash = \"restart\"\n"};
    const Guest unaware{.name = "unaware", .kernel = "neighbour", .cmdline = "seconds=0", .more = "watchdog = 3\n"};
    Boot boot =
        boot_of("halt", {fault, unaware, guest_named("neighbour", "seconds=5")}, images_of({"fault", "neighbour"}));
    boot.configuration = "[hypervisor]\ndebug-faults = true\n\n" + boot.configuration;
    boot.typing = {{is_off("fault", "failed"), "\x1dmlist\r"},
                   {"guest neighbour: running", "stats\r"},
                   {"^bulkhead: memory in use", "shutdown fault\r"},
                   {"guest fault: no shutdown", "start fault\r"}};
    boot.cases = {
        {"who asks for its guest is answered",
         {lines_in_order({"guest fault: failed, 2 vCPUs", "^bulkhead: memory in use",
                          "guest fault: no shutdown: its first CPU is not there",
                          "guest fault: no start: its first CPU is not there"})}},
        {"another's watchdog rings", {line(is_off("unaware", "failed: its watchdog was not fed"))}},
        {"it is recorded, and the core stops",
         {lines_in_order({"^bulkhead: hypervisor: #UD .* at 0x[0-9a-f]{16}, cr2 ", "^bulkhead: hypervisor: r0 0x",
                          "^bulkhead: hypervisor: something shared may be damaged; this core stops"})}},
        {"a neighbour goes on", {line("^\\[neighbour\\] PASS neighbour"), never("\\] FAIL")}},
        {"the screen has it in full",
         {lines_in_order({"^bulkhead: hypervisor: #UD .* at 0x[0-9a-f]{16}, cr2 ", "^bulkhead: hypervisor: r0 0x",
                          "^bulkhead: hypervisor: r12 0x.* r15 0x[0-9a-f]{16}$",
                          "^bulkhead: hypervisor: something shared may be damaged; this core stops$"})},
         {tools::MachineKind::QemuAmd},
         "screen panic"}};
    boot.options.screen = true;
    boot.photographs = {{"panic", "^bulkhead: hypervisor: something shared may be damaged; this core stops"}};
    return boot;
}

/// A hypervisor that cannot go on resets the machine, if that is wanted, and says at the next boot why. On Bochs the
/// firmware does not come back from that reset (docs/debugging.md).
Boot panic() {
    Boot boot = boot_of("panic", {guest_named("fault", "machine=1"), guest_named("neighbour", "seconds=0")},
                        images_of({"fault", "neighbour"}));
    boot.configuration = "[hypervisor]\ndebug-faults = true\non-panic = \"reboot\"\n\n" + boot.configuration;
    boot.options.goes_on_after_reset = true;
    const std::string before = "^bulkhead: before the last reset: hypervisor: ";
    boot.cases = {
        {"the second boot has the record of the first",
         {lines_in_order({"^bulkhead: hypervisor: #UD .* at 0x[0-9a-f]{16}, cr2 ",
                          "^bulkhead: hypervisor: something shared may be damaged; the machine reboots",
                          "^bulkhead: hypervisor \\d", before + "#UD ", before + "r0 0x", before + "r12 0x",
                          before + "something shared may be damaged"})}},
    };
    boot.until = before + "something shared may be damaged; the machine reboots";
    boot.on = {tools::MachineKind::QemuAmd};
    return boot;
}

/// A guest whose kernel is none, which costs nobody else anything.
Boot unstartable() {
    Guest without = guest_named("no-kernel"); // nor does it try again and again
    without.more = "on-crash = \"restart\"\nrestart-limit = 0\nrestart-delay = 0\n";
    Boot boot = boot_of("unstartable", {without, guest_named("hello")},
                        {{"no-kernel", tools::build_folder() / "boot/embedded.elf"}, own_guest("hello")});
    boot.cases = {passes("hello"),
                  {"the other one says why, after the plan",
                   {lines_in_order({"^guest no-kernel: CPU \\d", "^guest hello: CPU \\d",
                                    "^bulkhead: guest no-kernel not started: .*has a segment above 4 GiB: address "
                                    "\\(0xffffffff80000000\\)$",
                                    is_off("no-kernel", "failed")})}}};
    return boot;
}

/// One program in every format that is no bzImage; each has two lives.
Boot formats() {
    const auto guest = [](const std::string& name, const std::string& kernel, const std::string& format,
                          const std::string& more = "") {
        return Guest{.name = name,
                     .kernel = kernel,
                     .initrd = "hello",
                     .cmdline = "expect=" + format + " memory=32",
                     .memory_mib = 32,
                     .more = "modules = [\"self and two  words\"]\n" + more};
    };
    const auto file = [](const std::string& name, const std::string& in_build) {
        return tools::ImageFile{name, tools::build_folder() / "guests" / in_build};
    };
    Boot boot =
        boot_of("formats",
                {guest("pvh", "self", "pvh"), guest("pvh-32", "small", "pvh"),
                 guest("multiboot", "self", "multiboot", "kernel-format = \"multiboot\""),
                 guest("addresses", "bytes", "multiboot"), guest("flat", "bytes", "flat", "kernel-format = \"flat\"")},
                {file("self", "formats.elf"), file("small", "formats-32.elf"), file("bytes", "formats.bin"),
                 own_guest("hello")});
    for (const std::string name : {"pvh", "pvh-32", "multiboot", "addresses", "flat"})
        boot.cases.push_back(
            {name + " finds its machine as it should be, and again after a restart",
             {lines_in_order({"^\\[" + name + "\\] formats: again", "^\\[" + name + "\\] PASS formats: \\d+ checks"}),
              lines_in_order({is_off(name, "reset"), is_off(name, "powered off")}),
              never("^\\[" + name + "\\] FAIL")}});
    return boot;
}

/// Each of the guest's exceptions of this kind is an exit: were it not intercepted, a CPU could stay inside forever.
Case exits_by(const std::string& guest, const std::string& exception, std::vector<tools::MachineKind> on) {
    return {guest + " exits by each",
            {line("^bulkhead: exits of " + guest + " vCPU 0: .*\\b" + exception + " \\d{3,}\\b")},
            std::move(on)};
}

/// Exceptions without end, which must not lock the hypervisor out.
Boot exception_loops() {
    Boot boot = boot_of("exception-loops",
                        {guest_named("db-loop", "seconds=3"), guest_named("ac-loop", "seconds=3"),
                         guest_named("neighbour", "seconds=5")},
                        images_of({"db-loop", "ac-loop", "neighbour"}));
    boot.cases = {passes("neighbour")};
    for (const std::string name : {"db-loop", "ac-loop"})
        boot.cases.push_back(
            {name + " does no harm",
             {never("^\\[" + name + "\\] FAIL"), line("^bulkhead: guest " + name + " is off: (powered off|failed)$")}});
    // The #DB is that of INT1, for which AMD-V has an intercept of its own (ICEBP): with both emulators it never asks
    // the one of #DB. The #AC is nowhere to be had on QEMU: its CPU does not check alignment.
    boot.cases.push_back(exits_by("db-loop", "debug-exception", {tools::MachineKind::BochsIntel}));
    boot.cases.push_back(
        exits_by("ac-loop", "alignment-check", {tools::MachineKind::BochsIntel, tools::MachineKind::BochsAmd}));
    // Less than they ran, by which nearly all of it was the guest's.
    const std::string time = " vCPU 0: .*; hypervisor microseconds (\\d+)";
    boot.cases.push_back({"the time in the hypervisor is counted",
                          {number("^bulkhead: exits of neighbour" + time, 1, 1'000'000),
                           number("^bulkhead: exits of db-loop" + time, 100, 5'000'000)}});
    return boot;
}

/// That the exit counters can fail: the test of no exits must report one needless intercept.
Boot needless_intercept() {
    Boot boot = boot_of("needless-intercept", {guest_named("zero-exit")}, {own_guest("zero-exit")});
    boot.configuration = "[hypervisor]\ndebug-needless-intercept = true\n\n" + boot.configuration;
    boot.cases = {{"zero-exit reports it", {line("^\\[zero-exit\\] FAIL zero-exit"), never("\\] PASS zero-exit")}}};
    return boot;
}

} // namespace

std::vector<Boot> own_guest_boots() {
    return {also_on_bochs_amd(properties_of_devices()),
            properties_of_cpu(),
            x2apic(),
            xapic(),
            several_vcpus(),
            wakes(),
            storm("storm-of-resets", ""),
            storm("storm-of-interrupts", "modes=1"),
            far_cpus(),
            many_vcpus(),
            many_guests(),
            controls(),
            unstartable(),
            formats(),
            journal(),
            without_log(),
            also_on_bochs_amd(own_fault()),
            halt(),
            panic(),
            containment("shutdowns", {"triple-fault", "shutdown-idt", "bad-fetch-hole"}),
            containment("foreign-memory", {"bad-memory-read", "bad-memory-write", "bad-memory-execute"}),
            containment("deliveries", {"bad-stack-exception", "bad-stack-interrupt"}),
            also_on_bochs_amd(exception_loops()),
            needless_intercept()};
}

} // namespace bulkhead::integration
