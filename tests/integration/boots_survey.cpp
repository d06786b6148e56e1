// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// Machines that take inventory, and then boot with the configuration that they proposed.
#include "integration/boot.hpp"

namespace bulkhead::integration {
namespace {

using tools::MachineKind;

constexpr std::string_view end_of_survey = "press a key to return to the firmware";

/// What must be on the disk of every machine, and that its two guests of `kernel` run and power off.
Boot survey(const std::string& name, const tools::ImageFile& kernel) {
    Boot boot;
    boot.name = name;
    boot.takes_inventory = true;
    boot.files = {{"vmlinuz", kernel.source}, {"initrd", demo_initramfs().source}};
    boot.options.cpus = 3;
    boot.options.memory_mib = 1024;
    boot.cases = {
        {.name = "it is shown on the console",
         .expectations = {line("bulkhead: taking inventory of this machine"), line("^  processor  \\S"),
                          line("^             3 CPUs, 3 cores, "), line("^  memory     \\d+ MiB free$"),
                          line("^  PCI        \\d+ functions in \\d+ groups"),
                          line("^  verdict    it can run Bulkhead$"),
                          line("bulkhead: written: .bulkhead.inventory\\.toml$"),
                          line("bulkhead: written: .bulkhead.bulkhead\\.toml, a proposal$"),
                          line("bulkhead: next: read .bulkhead.bulkhead\\.toml")},
         .console = "survey"},
        {.name = "the inventory is read by toml++, the proposal by us",
         .expectations = {line("^inventory.toml: 3 CPUs, [4-9]\\d\\d MiB$"), line("^bulkhead.toml: 0 errors$")},
         .console = "check"},
        {.name = "the inventory has every part",
         .expectations = {line("^source = \"loader\"$"), line("^can-run = \"yes\"$"), line("^uefi = true$"),
                          line("^\\[\\[memory\\]\\]$"), line("^port = 0x3f8$"), line("^what = \"host bridge\"$"),
                          line("^\\[\\[pci\\.bar\\]\\]$"), line("^table = \"APIC\"$"), line("^level = 1$")},
         .console = "inventory.toml"},
        {.name = "the proposal says why",
         .expectations = {line("^# A proposal for this machine"), line("^console-port = 0x3f8$"),
                          line("^# 3 CPUs in 3 cores: .* one is left for the hypervisor"), line("^cpus = 1$")},
         .console = "bulkhead.toml"},
        {.name = "the proposal boots",
         .expectations = {line(is_off("one", "powered off")), line(is_off("two", "powered off"))}}};
    return boot;
}

Case has_iommu(const std::string& kind) {
    return {.name = "its IOMMU is in the inventory",
            .expectations = {line("^\\[\\[iommu\\]\\]$"), line("^kind = \"" + kind + "\"$")},
            .console = "inventory.toml"};
}

Boot plain() {
    Boot boot = survey("survey", own_guest("hello"));
    boot.cases.push_back(
        {.name = "each guest says its first words",
         .expectations = {line("^\\[one\\] .*hello from a guest"), line("^\\[two\\] .*hello from a guest")}});
    boot.cases.push_back({.name = "PCIe devices have their extended capabilities",
                          .expectations = {line("^pcie = \"integrated endpoint\"$|^pcie = \"endpoint\"$")},
                          .on = {MachineKind::QemuAmd},
                          .console = "inventory.toml"});
    return boot;
}

Boot with_iommu(const std::string& device, const std::string& kind, const tools::ImageFile& kernel) {
    Boot boot = survey("survey-" + device, kernel);
    boot.on = {MachineKind::QemuAmd};
    boot.options.iommu = device;
    boot.cases.push_back(has_iommu(kind));
    return boot;
}

/// The configuration asks for it, and stays what it is.
Boot asked() {
    Boot boot;
    boot.name = "survey-asked";
    boot.configuration = "[hypervisor]\nsurvey = true\n";
    boot.writes_disk = true;
    boot.until = end_of_survey;
    boot.cases = {
        {"the configuration is not replaced",
         {line("the configuration asks for an inventory"),
          line("bulkhead: written: .bulkhead.bulkhead\\.proposal\\.toml, a proposal: the configuration stays")}}};
    return boot;
}

Boot write_protected() {
    Boot boot;
    boot.name = "survey-write-protected";
    boot.on = {MachineKind::QemuAmd};
    boot.configuration = "[hypervisor]\nsurvey = true\n";
    boot.options.write_protected = true;
    boot.until = end_of_survey;
    boot.cases = {
        {"what cannot be written is said",
         {line("^  verdict    "),
          line("bulkhead: not written: .bulkhead.inventory\\.toml: the volume is write-protected$"),
          line("bulkhead: not written: .bulkhead.bulkhead\\.proposal\\.toml: the volume is write-protected$")}}};
    return boot;
}

/// A key brings it where a boot failed.
Boot by_key() {
    Boot boot;
    boot.name = "survey-by-key";
    boot.configuration = "no configuration";
    boot.writes_disk = true;
    boot.typing = {{"or s to take inventory of this machine", "s"}};
    boot.until = "bulkhead: next: ";
    boot.cases = {
        {"it is taken", {line("bulkhead: not started: 1 error in"), line("^  verdict    it can run Bulkhead$")}}};
    return boot;
}

/// A key that is pressed before the loader starts brings it where the boot would have gone well.
Boot by_held_key() {
    Boot boot = boot_of("survey-by-held-key", {{.name = "hello", .kernel = "hello"}}, {own_guest("hello")});
    boot.on = {MachineKind::QemuAmd}; // on Bochs a typed key takes longer than the loader's way to the question
    boot.writes_disk = true;
    boot.typing = {{"BdsDxe: loading ", "s"}, {"BdsDxe: starting ", "s"}}; // a key that is held down repeats
    boot.until = end_of_survey;
    boot.cases = {{"it is taken instead", {line("^  verdict    it can run Bulkhead$"), never("^\\[hello\\] ")}}};
    return boot;
}

/// The loader's first stage fails: why is what an inventory is for.
Boot without_acpi() {
    Boot boot;
    boot.name = "survey-without-acpi";
    boot.on = {MachineKind::QemuAmd};
    boot.without_configuration = true;
    boot.options.acpi = false;
    boot.writes_disk = true;
    boot.until = end_of_survey;
    boot.cases = {
        {"it is taken, and says why this machine cannot run Bulkhead",
         {lines_in_order({"^bulkhead: no guests: the firmware has no ", "^  verdict    it cannot run Bulkhead",
                          "bulkhead: written: .bulkhead.inventory\\.toml"})}}};
    return boot;
}

} // namespace

std::vector<Boot> survey_boots() {
    return {plain(),
            with_iommu("intel-iommu", "vt-d", own_guest("hello")),
            with_iommu("amd-iommu", "amd", debian_kernel("trixie")),
            asked(),
            write_protected(),
            by_key(),
            by_held_key(),
            without_acpi()};
}

} // namespace bulkhead::integration
