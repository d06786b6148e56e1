// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// Stock Linux guests. (That the demo itself works is a test of the host command: CMakeLists.txt.)
#include "integration/boot.hpp"
#include "integration/made_files.hpp"

namespace bulkhead::integration {
namespace {

/// What a guest with the demo's initramfs says when all is well, from its kernel's first line to the end.
Case comes_up(const std::string& guest, const std::string& version) {
    const std::string console = "^\\[" + guest + "\\] ";
    return {guest + " reaches user space, works and powers off",
            {lines_in_order({console + ".*Linux version " + version, console + "demo: Linux " + version,
                             console + "demo: PASS$", is_off(guest, "powered off")})}};
}

struct Kernel {
    std::string release;
    unsigned cpus;
};

/// Debian's kernels, with nothing but the console on their command line, and `option`.
Boot kernels(const std::string& name, const std::vector<Kernel>& all, const std::string& option = "") {
    std::vector<Guest> guests;
    std::vector<tools::ImageFile> files{demo_initramfs()};
    for (const Kernel& kernel : all) {
        guests.push_back({.name = kernel.release,
                          .kernel = kernel.release,
                          .initrd = "initramfs",
                          .cmdline = "console=ttyS0" + (option.empty() ? "" : ' ' + option),
                          .cpus = kernel.cpus,
                          .memory_mib = 384});
        files.push_back(debian_kernel(kernel.release));
    }
    Boot boot = boot_of(name, guests, files);
    Case starts_all{"all CPUs are started", {}};
    for (const Kernel& kernel : all) {
        boot.cases.push_back(comes_up(kernel.release, kernel.release == "bookworm" ? "6\\.1\\." : "6\\.12\\."));
        starts_all.expectations.push_back(
            line("^\\[" + kernel.release + "\\] .*smp: Brought up 1 node, " + std::to_string(kernel.cpus) + " CPU"));
    }
    boot.cases.push_back(starts_all);
    boot.cases.push_back(
        {"no kernel complains of its machine",
         {never("unchecked MSR access"), never("Firmware Bug"), never("Call Trace"), never("Kernel panic")}});
    boot.cases.push_back({"no guest is stopped", {never("stopped at RIP")}});
    return boot;
}

/// Told to use the xAPIC, 6.1 sends interrupts to logical destinations and 6.12 to physical ones.
Boot without_x2apic(const std::string& name, const std::vector<Kernel>& all) {
    Boot boot = kernels(name, all, "nox2apic");
    Case leaves{"x2APIC mode is left", {}};
    for (const Kernel& kernel : all)
        leaves.expectations.push_back(line("^\\[" + kernel.release + "\\] .*x2apic disabled$"));
    boot.cases.push_back(leaves);
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

/// A container image that `bulkhead guest linux` packed.
Boot container() {
    const Guest guest{.name = "box",
                      .kernel = "trixie",
                      .initrd = "container",
                      .cmdline = "console=ttyS0 rdinit=/.bulkhead/init",
                      .memory_mib = 256};
    Boot boot = boot_of("container", {guest}, {debian_kernel("trixie"), container_initrd()});
    boot.cases = {
        {"its program finds what the image says, and the guest ends with it",
         {lines_in_order({"^\\[box\\] container: good day from /srv, user 1000 group 1001$",
                          "^\\[box\\] container: /etc: hosts passwd /opt/full: three$",
                          "^\\[box\\] container: home /srv$", "^\\[box\\] 127\\.0\\.0\\.1 localhost$",
                          "^\\[box\\] 127\\.0\\.1\\.1 container$",
                          "^\\[box\\] container: on /dev/console, 5000 bytes$",
                          "^\\[box\\] bulkhead-init: /bin/sh ended with status 3$", is_off("box", "powered off")})}}};
    return boot;
}

/// A stock kernel as the ELF file that it is inside, by PVH: 57 MB, which Bochs' firmware reads for minutes.
Boot elf_kernel() {
    const Guest guest{.name = "elf",
                      .kernel = "vmlinux",
                      .initrd = "initramfs",
                      .cmdline = "console=ttyS0",
                      .cpus = 2,
                      .memory_mib = 512};
    Boot boot = boot_of("elf-kernel", {guest}, {debian_elf(), demo_initramfs()});
    boot.on = {tools::MachineKind::QemuAmd};
    boot.cases = {comes_up("elf", "6\\.12\\."),
                  {"all CPUs are started", {line("^\\[elf\\] .*smp: Brought up 1 node, 2 CPUs")}},
                  {"its kernel complains of nothing",
                   {never("unchecked MSR access"), never("Firmware Bug"), never("Call Trace"), never("Kernel panic")}}};
    return boot;
}

} // namespace

std::vector<Boot> linux_boots() {
    Boot two_and_two = kernels("two-and-two", {{"bookworm", 2}, {"trixie", 2}});
    Boot one_and_four = kernels("one-and-four", {{"bookworm", 1}, {"trixie", 4}});
    Boot new_without_x2apic = without_x2apic("nox2apic-trixie", {{"trixie", 2}});
    two_and_two.on = one_and_four.on = new_without_x2apic.on = {tools::MachineKind::QemuAmd};
    return {also_on_bochs_amd(kernels("kernels", {{"bookworm", 1}, {"trixie", 2}})),
            two_and_two,
            one_and_four,
            without_x2apic("nox2apic", {{"bookworm", 2}}),
            new_without_x2apic,
            shell(),
            container(),
            elf_kernel()};
}

} // namespace bulkhead::integration
