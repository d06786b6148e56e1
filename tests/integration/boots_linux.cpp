// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// Stock Linux guests. (That the demo itself works is a test of the host command: CMakeLists.txt.)
#include "integration/boot.hpp"

namespace bulkhead::integration {
namespace {

/// What a guest with the demo's initramfs says when all is well, from its kernel's first line to the end.
Case comes_up(const std::string& guest, const std::string& version) {
    const std::string console = "^\\[" + guest + "\\] ";
    return {guest + " reaches user space, works and powers off",
            {lines_in_order({console + ".*Linux version " + version, console + "demo: Linux " + version,
                             console + "demo: PASS$", is_off(guest, "powered off")})}};
}

/// Debian's kernels, with so many CPUs and nothing but the console on their command line.
Boot kernels(const std::string& name, unsigned bookworm_cpus, unsigned trixie_cpus) {
    const auto guest = [](const std::string& release, unsigned cpus) {
        return Guest{.name = release,
                     .kernel = release,
                     .initrd = "initramfs",
                     .cmdline = "console=ttyS0",
                     .cpus = cpus,
                     .memory_mib = 384};
    };
    const auto starts_all = [](const std::string& release, unsigned cpus) {
        return line("^\\[" + release + "\\] .*smp: Brought up 1 node, " + std::to_string(cpus) + " CPU");
    };
    Boot boot = boot_of(name, {guest("bookworm", bookworm_cpus), guest("trixie", trixie_cpus)},
                        {debian_kernel("bookworm"), debian_kernel("trixie"), demo_initramfs()});
    boot.cases = {
        comes_up("bookworm", "6\\.1\\."),
        comes_up("trixie", "6\\.12\\."),
        {"all CPUs are started", {starts_all("bookworm", bookworm_cpus), starts_all("trixie", trixie_cpus)}},
        {"no kernel complains of its machine",
         {never("unchecked MSR access"), never("Firmware Bug"), never("Call Trace"), never("Kernel panic")}},
        {"no guest is stopped", {never("stopped at RIP")}},
    };
    return boot;
}

/// A person types into the guest in focus, changes the focus, and uses up both shells.
Boot shell() {
    constexpr unsigned memory = 256;
    const std::string stays_off = "on-reboot = \"stop\"";
    const std::string cmdline = "console=ttyS0 -- shell";
    Boot boot =
        boot_of("shell",
                {{.name = "alpha",
                  .kernel = "trixie",
                  .initrd = "initramfs",
                  .cmdline = cmdline,
                  .memory_mib = memory,
                  .more = stays_off},
                 {.name = "beta", .kernel = "trixie", .initrd = "initramfs", .cmdline = cmdline, .memory_mib = memory}},
                {debian_kernel("trixie"), demo_initramfs()});
    // A prompt is shown once something has been typed: before, whole lines only.
    boot.typing = {
        {"^\\[alpha\\] Enter 'help'", "echo answer-$((6 * 7))\r"},
        {"^\\[alpha\\] answer-42$", "\x1d"
                                    "2"},
        {"^\\[beta\\] ~ # $", "echo answer-$((7 * 8)); exit\r"},
        {"^bulkhead: guest beta is off", "\x1d"
                                         "1reboot -f\r"},
    };
    boot.cases = {
        {"typing reaches alpha", {line("^\\[alpha\\] answer-42$")}},
        {"typing reaches beta after the focus has changed",
         {lines_in_order({"typing goes to guest beta", "^\\[beta\\] answer-56$"})}},
        {"what is typed reaches only the guest in focus",
         {never("^\\[alpha\\].*answer-56"), never("^\\[beta\\].*answer-42")}},
        {"one guest's end leaves the other at work",
         {lines_in_order({is_off("beta", "powered off"), is_off("alpha", "reset")})}},
    };
    return boot;
}

} // namespace

std::vector<Boot> linux_boots() {
    Boot two_and_two = kernels("two-and-two", 2, 2);
    Boot one_and_four = kernels("one-and-four", 1, 4);
    two_and_two.on = one_and_four.on = {tools::MachineKind::QemuAmd};
    return {also_on_bochs_amd(kernels("kernels", 1, 2)), two_and_two, one_and_four, shell()};
}

} // namespace bulkhead::integration
