// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "tools/demo.hpp"

#include <algorithm>
#include <fstream>
#include <iostream>
#include <regex>

#include "tools/configuration.hpp"
#include "tools/failure.hpp"
#include "tools/folders.hpp"
#include "tools/initramfs.hpp"
#include "tools/session.hpp"
#include "tools/transcript.hpp"

namespace bulkhead::tools {
namespace {

void write_configuration(const std::filesystem::path& file, std::string_view cmdline) {
    std::ofstream out(file);
    out << "# Two guests, each with a CPU and memory of its own. Written by 'bulkhead demo'.\n";
    for (const std::string_view guest : demo_guests)
        out << "\n[[guest]]\nname = \"" << guest << "\"\ncpus = 1\nmemory = \"384 MiB\"\n"
            << "kernel = \"vmlinuz\"\ninitrd = \"initramfs.cpio\"\ncmdline = \"" << cmdline << "\"\n";
    if (!out.flush())
        throw Failure("cannot write " + file.string());
}

void say(std::string_view text) { std::cout << "demo: " << text << std::endl; }

/// The hypervisor's lines and the guests', and not the firmware's.
bool is_of_interest(std::string_view line) {
    return line.starts_with("bulkhead: ") || std::ranges::any_of(demo_guests, [&](std::string_view guest) {
               return line.starts_with("[" + std::string(guest) + "]");
           });
}

bool has_line(const std::vector<std::string>& lines, const std::string& pattern) {
    const std::regex regex(pattern);
    return std::ranges::any_of(lines, [&](const std::string& line) { return std::regex_search(line, regex); });
}

} // namespace

void write_demo(const std::filesystem::path& folder) {
    std::filesystem::create_directories(folder);
    std::filesystem::copy_file(stock_kernel("trixie"), folder / "vmlinuz",
                               std::filesystem::copy_options::overwrite_existing);
    write_demo_initramfs(folder / "initramfs.cpio");
    write_configuration(folder / "demo.toml", "console=ttyS0");
    write_configuration(folder / "shell.toml", "console=ttyS0 -- shell");
}

std::vector<std::string> missing_in_demo(const std::vector<std::string>& lines) {
    std::vector<std::string> missing;
    for (const std::string_view name : demo_guests) {
        const std::string guest(name);
        if (!has_line(lines, "^\\[" + guest + "\\] demo: Linux "))
            missing.push_back(guest + " did not come up to user space");
        else if (!has_line(lines, "^\\[" + guest + "\\] demo: PASS$"))
            missing.push_back(guest + " did not show that it works");
        if (!has_line(lines, "^bulkhead: .*\\b" + guest + "\\b.*powered off"))
            missing.push_back(guest + " did not power off");
    }
    return missing;
}

int run_demo(MachineKind machine) {
    const ResultFolder results(build_folder() / "demo");
    const std::filesystem::path& folder = results.path();
    say("writing the disk image: two guests with Debian's stock kernel");
    write_demo(folder);
    const CheckedConfiguration configuration = require_configuration(folder / "demo.toml");
    write_image(folder / "disk.img", configuration, firmware_addition(machine));

    Transcript transcript;
    SessionPlan plan;
    plan.machine = machine;
    plan.options = fitting_machine(configuration);
    plan.image = folder / "disk.img";
    plan.folder = folder;
    plan.on_output = [&](std::string_view bytes) {
        for (const std::string& line : transcript.add(bytes)) {
            if (is_of_interest(line))
                std::cout << line << std::endl;
        }
        return Reaction{};
    };
    say("booting it on " + std::string(name_of(machine)) + " (a minute or two in an emulator)");
    const SessionEnd end = run_session(plan);

    const std::vector<std::string> missing = missing_in_demo(transcript.lines());
    if (end == SessionEnd::PoweredOff && missing.empty()) {
        say("both guests came up, showed that they work, and powered off");
        return 0;
    }
    say("FAILED: " + std::string(describe(end)));
    for (const std::string& sentence : missing)
        say("FAILED: " + sentence);
    std::cout << where_to_look(machine, folder) << std::endl;
    return 1;
}

} // namespace bulkhead::tools
