// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "integration/boot.hpp"

#include <algorithm>
#include <utility>

#include "tools/folders.hpp"

namespace bulkhead::integration {
std::vector<Boot> all_boots() {
    std::vector<Boot> all;
    for (const auto& list : {linux_boots(), own_guest_boots(), console_boots(), attack_boots(), configuration_boots(),
                             intent_boots(), life_boots(), survey_boots(), fault_boots()})
        all.insert(all.end(), list.begin(), list.end());
    return all;
}

Boot first_on_service_cpu(Boot boot) {
    const std::string any = "cpus = 1";
    boot.configuration.replace(boot.configuration.find(any), any.size(), "cpus = [1]");
    boot.configuration.insert(0, "[hypervisor]\nservice-cpu = 1\n\n");
    boot.cases.push_back(
        {"the first guest has the service CPU", {line("^bulkhead: console served by CPU 1, which a guest owns$")}});
    return boot;
}

Boot also_on_bochs_amd(Boot boot) {
    if (std::ranges::find(boot.on, tools::MachineKind::BochsAmd) == boot.on.end())
        boot.on.push_back(tools::MachineKind::BochsAmd);
    return boot;
}

std::string_view why_not_all_on(tools::MachineKind machine) {
    switch (machine) {
    case tools::MachineKind::QemuAmd:
        return "it runs all of them but what needs Bochs' debugger or its models, and `reboots` in place of "
               "`reboots-slowly`";
    case tools::MachineKind::BochsIntel:
        return "that is a larger machine of a boot that it has smaller, more than Bochs does in minutes, or something "
               "that it "
               "has not: a monitor, a gdb stub, a network, an IOMMU, a firmware that keeps its variables, a screen to "
               "look at";
    case tools::MachineKind::BochsAmd:
        return "a second opinion on AMD-V from a few boots; the others take minutes there";
    case tools::MachineKind::Kvm:
        return "a host whose KVM lets its guests use SVM or VMX has not been at hand";
    }
    return "";
}

std::string configuration_of(const std::vector<Guest>& guests) {
    std::string text;
    for (const Guest& guest : guests) {
        text += "[[guest]]\nname = \"" + guest.name + "\"\ncpus = " + std::to_string(guest.cpus) + "\nmemory = \"" +
                std::to_string(guest.memory_mib) + " MiB\"\nkernel = \"" + guest.kernel + "\"\n";
        if (!guest.initrd.empty())
            text += "initrd = \"" + guest.initrd + "\"\n";
        if (!guest.cmdline.empty())
            text += "cmdline = \"" + guest.cmdline + "\"\n";
        if (!guest.more.empty())
            text += guest.more + '\n';
        text += '\n';
    }
    return text;
}

Boot boot_of(const std::string& name, const std::vector<Guest>& guests, std::vector<tools::ImageFile> files) {
    Boot boot;
    boot.name = name;
    boot.configuration = configuration_of(guests);
    boot.files = std::move(files);
    boot.options.cpus = 1;
    for (const Guest& guest : guests)
        boot.options.cpus += guest.cpus;
    return boot;
}

tools::ImageFile own_guest(const std::string& name) {
    return {name, tools::build_folder() / "guests" / (name + ".bzimage")};
}

std::vector<tools::ImageFile> images_of(const std::vector<std::string>& names) {
    std::vector<tools::ImageFile> files;
    for (const std::string& name : names)
        files.push_back(own_guest(name));
    return files;
}

tools::ImageFile debian_kernel(const std::string& release) {
    return {release, tools::build_folder() / "toolbox/boot" / ("vmlinuz-" + release)};
}

tools::ImageFile demo_initramfs() { return {"initramfs", tools::build_folder() / "integration/initramfs.cpio"}; }

Guest guest_named(const std::string& name, const std::string& cmdline) {
    return {.name = name, .kernel = name, .cmdline = cmdline};
}

Case passes(const std::string& name, const std::string& how) {
    return {
        name + " passes",
        {line("^\\[" + name + "\\] PASS " + name + "\\b"), never("^\\[" + name + "\\] FAIL"), line(is_off(name, how))}};
}

Case neighbour_takes(const std::string& share, long least_of_thousand, tools::MachineKind machine) {
    constexpr long no_limit = 2000; // both clocks are as measured: 1004 on a busy host
    return {"the neighbour takes " + share + " of its ticks at least",
            {number("^\\[neighbour\\] neighbour: took .* ticks, (\\d+) of 1000$", least_of_thousand, no_limit)},
            {machine}};
}

std::string is_off(const std::string& guest, const std::string& how) {
    return "^bulkhead: guest " + guest + " is off: " + how + "$";
}

} // namespace bulkhead::integration
