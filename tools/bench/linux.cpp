// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "tools/bench/linux.hpp"

#include <chrono>
#include <deque>
#include <fstream>
#include <iostream>
#include <iterator>

#include "tools/bench/linux_figures.hpp"
#include "tools/configuration.hpp"
#include "tools/cpio_archive.hpp"
#include "tools/failure.hpp"
#include "tools/folders.hpp"
#include "tools/session.hpp"
#include "tools/transcript.hpp"

namespace bulkhead::tools {
namespace {

constexpr std::string_view release = "bookworm"; // the one that peers were measured with
// At the same addresses in each run, bare and as a guest: figures differ by some percent with them.
constexpr std::string_view cmdline = "console=ttyS0 quiet nokaslr";
constexpr unsigned memory_mib = 768;
constexpr unsigned window_seconds = 10; // guests/linux-bench: shorter than what it does

std::string read_file(const std::filesystem::path& path) {
    std::ifstream file(path, std::ios::binary);
    if (!file)
        throw Failure("cannot read " + path.string());
    return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

void write_files(const std::filesystem::path& folder, std::string_view arguments) {
    std::filesystem::create_directories(folder);
    std::filesystem::copy_file(stock_kernel(release), folder / "vmlinuz",
                               std::filesystem::copy_options::overwrite_existing);
    CpioArchive archive;
    archive.add_folder("dev");
    archive.add({.name = "dev/console", .mode = 0020600, .device_major = 5, .device_minor = 1});
    archive.add_program("init", read_file(build_folder() / "guests/bulkhead_bench"));
    std::ofstream(folder / "initrd", std::ios::binary) << archive.finish();
    std::ofstream(folder / "bench.toml") << "[[guest]]\nname = \"linux\"\ncpus = 1\nmemory = \"" << memory_mib
                                         << " MiB\"\nkernel = \"vmlinuz\"\ninitrd = \"initrd\"\ncmdline = \"" << cmdline
                                         << arguments << "\"\n";
}

SessionPlan plan_in(const std::filesystem::path& folder) {
    const CheckedConfiguration configuration = require_configuration(folder / "bench.toml");
    write_image(folder / "disk.img", configuration, firmware_addition(MachineKind::QemuAmd));
    SessionPlan plan;
    plan.machine = MachineKind::QemuAmd;
    plan.options = fitting_machine(configuration);
    plan.image = folder / "disk.img";
    plan.folder = folder;
    plan.quiet = std::chrono::seconds(1200);
    return plan;
}

std::vector<std::string> run(SessionPlan plan) {
    Transcript transcript;
    const auto react = plan.on_output;
    plan.on_output = [&](std::string_view bytes) {
        transcript.add(bytes);
        return react ? react(bytes) : Reaction{};
    };
    if (const SessionEnd end = run_session(plan); end != SessionEnd::PoweredOff)
        throw Failure(std::string(describe(end)) + "\n" + where_to_look(plan.machine, plan.folder));
    return transcript.lines();
}

std::vector<std::string> run_counting(const std::filesystem::path& folder, bool bare) {
    write_files(folder, "");
    SessionPlan plan = plan_in(folder);
    plan.options.cpus = 1;
    plan.options.count_instructions = true;
    if (bare) {
        plan.options.memory_mib = memory_mib;
        plan.options.bare_kernel = "vmlinuz";
        plan.options.bare_initrd = "initrd";
        plan.options.bare_cmdline = cmdline;
    }
    return run(plan);
}

/// Asks for the counters when a window has begun, and again when it has been open for long enough: nobody but the
/// hypervisor, which has a CPU of its own here, notices. The line that says so has exits of its own behind it.
std::vector<std::string> run_windows(const std::filesystem::path& folder) {
    using Clock = std::chrono::steady_clock;
    const std::string ask = std::string(1, escape_key) + "s";
    write_files(folder, " -- windows");
    SessionPlan plan = plan_in(folder);
    Transcript seen;
    std::deque<Clock::time_point> due;
    plan.on_output = [&](std::string_view bytes) {
        for (const std::string& line : seen.add(bytes))
            if (line.find("BENCH window ") != std::string::npos) {
                const Clock::time_point begin = Clock::now() + std::chrono::seconds(1);
                due = {begin, begin + std::chrono::seconds(window_seconds)};
            }
        return Reaction{};
    };
    plan.keys = [&] {
        if (due.empty() || Clock::now() < due.front())
            return std::string();
        due.pop_front();
        return ask;
    };
    return run(plan);
}

} // namespace

std::vector<Figure> measure_linux(const std::filesystem::path& folder) {
    std::cout << "bench: a Linux bare, where a tick of the TSC is an instruction (some minutes)" << std::endl;
    const std::vector<std::string> bare = run_counting(folder / "bare", true);
    std::cout << "bench: the same as a guest (some minutes)" << std::endl;
    std::vector<Figure> all = linux_figures(bare, run_counting(folder / "guest", false));
    std::cout << "bench: the same, idle and computing" << std::endl;
    const std::vector<Figure> more = window_figures(run_windows(folder / "windows"), window_seconds);
    all.insert(all.end(), more.begin(), more.end());
    return all;
}

} // namespace bulkhead::tools
