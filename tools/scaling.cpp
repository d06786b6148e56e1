// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "tools/scaling.hpp"

#include <fstream>
#include <iomanip>
#include <iostream>
#include <utility>
#include <vector>

#include "tools/boot_cost.hpp"
#include "tools/configuration.hpp"
#include "tools/failure.hpp"
#include "tools/folders.hpp"
#include "tools/session.hpp"
#include "tools/transcript.hpp"

namespace bulkhead::tools {
namespace {

SessionPlan prepare(MachineKind machine, const std::filesystem::path& folder, unsigned guests, unsigned vcpus) {
    std::filesystem::create_directories(folder);
    std::filesystem::copy_file(build_folder() / "guests/hello.bzimage", folder / "hello",
                               std::filesystem::copy_options::overwrite_existing);
    std::ofstream file(folder / "scaling.toml");
    for (unsigned i = 1; i <= guests; ++i)
        file << "[[guest]]\nname = \"guest-" << i << "\"\ncpus = " << vcpus << "\nmemory = \"32 MiB\"\n"
             << "kernel = \"hello\"\n";
    file.close();
    const CheckedConfiguration configuration = require_configuration(folder / "scaling.toml");
    write_image(folder / "disk.img", configuration, firmware_addition(machine));
    SessionPlan plan;
    plan.machine = machine;
    plan.options = fitting_machine(configuration);
    plan.options.count_instructions = true;
    plan.image = folder / "disk.img";
    plan.folder = folder;
    plan.quiet = std::chrono::seconds(1200);
    return plan;
}

BootCost measure(MachineKind machine, unsigned guests, unsigned vcpus) {
    const std::filesystem::path folder =
        build_folder() / ("scaling/" + std::to_string(guests) + "x" + std::to_string(vcpus));
    Transcript transcript;
    SessionPlan plan = prepare(machine, folder, guests, vcpus);
    plan.on_output = [&](std::string_view bytes) {
        transcript.add(bytes);
        return Reaction{};
    };
    if (const SessionEnd end = run_session(plan); end != SessionEnd::PoweredOff)
        throw Failure("a boot that is to be counted: " + std::string(describe(end)));
    return read_boot_cost(transcript.lines(), guests, vcpus);
}

void print(const BootCost& cost) {
    std::cout << std::right << std::setw(7) << cost.guests << std::setw(18) << cost.vcpus << std::setw(16)
              << cost.instructions << std::setw(14) << cost.kept_kib << std::setw(22) << cost.stage_two_kib
              << std::endl;
}

} // namespace

int run_scaling(MachineKind machine) {
    if (machine != MachineKind::QemuAmd)
        throw Failure("instructions of several CPUs are counted on qemu-amd only", 2);
    std::cout << " guests  vCPUs of each one    instructions      kept, KiB   second stage, KiB" << std::endl;
    std::vector<std::string> wrong;
    const auto run = [&](const std::vector<std::pair<unsigned, unsigned>>& sizes) {
        std::vector<BootCost> costs;
        for (const auto& [guests, vcpus] : sizes)
            print(costs.emplace_back(measure(machine, guests, vcpus)));
        const std::vector<std::string> sentences = faster_than_linear(costs);
        wrong.insert(wrong.end(), sentences.begin(), sentences.end());
    };
    run({{1, 1}, {1, 2}, {1, 4}, {1, 8}, {1, 16}, {1, 32}});
    run({{1, 1}, {2, 1}, {4, 1}, {8, 1}, {16, 1}});
    for (const std::string& sentence : wrong)
        std::cout << "bench: FAILED: " << sentence << '\n';
    return wrong.empty() ? 0 : 1;
}

} // namespace bulkhead::tools
