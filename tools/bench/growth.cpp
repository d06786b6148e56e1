// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "tools/bench/growth.hpp"

#include <fstream>
#include <iostream>
#include <vector>

#include "tools/bench/boot_cost.hpp"
#include "tools/configuration.hpp"
#include "tools/failure.hpp"
#include "tools/folders.hpp"
#include "tools/session.hpp"
#include "tools/transcript.hpp"

namespace bulkhead::tools {
namespace {

SessionPlan prepare(const std::filesystem::path& folder, const BootSize& size) {
    constexpr MachineKind machine = MachineKind::QemuAmd;
    std::filesystem::create_directories(folder);
    std::filesystem::copy_file(build_folder() / "guests/hello.bzimage", folder / "hello",
                               std::filesystem::copy_options::overwrite_existing);
    std::ofstream file(folder / "scaling.toml");
    for (unsigned i = 1; i <= size.guests; ++i)
        file << "[[guest]]\nname = \"guest-" << i << "\"\ncpus = " << size.vcpus << "\nmemory = \"" << size.memory_mib
             << " MiB\"\nkernel = \"hello\"\n";
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

BootCost measure(const std::filesystem::path& folder, const BootSize& size) {
    std::cout << "bench: a boot with " << describe(size) << std::endl;
    Transcript transcript;
    SessionPlan plan = prepare(folder, size);
    plan.on_output = [&](std::string_view bytes) {
        transcript.add(bytes);
        return Reaction{};
    };
    if (const SessionEnd end = run_session(plan); end != SessionEnd::PoweredOff)
        throw Failure(std::string(describe(end)) + "\n" + where_to_look(plan.machine, folder));
    std::filesystem::remove(folder / "disk.img");
    return read_boot_cost(transcript.lines(), size);
}

void add_figures(std::vector<Figure>& figures, const BootCost& cost) {
    const std::string name = "growth-" + std::to_string(cost.size.guests) + "-" + std::to_string(cost.size.vcpus) +
                             "-" + std::to_string(cost.size.memory_mib);
    if (find_figure(figures, name) != nullptr) // each series begins with the smallest
        return;
    const auto add = [&](const std::string& suffix, const std::string& unit, unsigned long long value) {
        figures.push_back({name + suffix, describe(cost.size) + ": " + unit, static_cast<long long>(value)});
    };
    add("", "instructions", cost.instructions);
    add("-kept", "memory kept, KiB", cost.kept_kib);
    add("-second-stage", "second-stage tables, KiB", cost.stage_two_kib);
}

} // namespace

Growth measure_growth(const std::filesystem::path& folder) {
    const std::vector<BootSize> series[] = {
        {{1, 1, 32}, {1, 2, 32}, {1, 4, 32}, {1, 8, 32}, {1, 16, 32}, {1, 32, 32}},
        {{1, 1, 32}, {2, 1, 32}, {4, 1, 32}, {8, 1, 32}, {16, 1, 32}, {32, 1, 32}},
        {{1, 1, 512}, {1, 1, 1024}, {1, 1, 2048}, {1, 1, 4096}, {1, 1, 8192}, {1, 1, 16384}},
    };
    Growth growth;
    for (const std::vector<BootSize>& sizes : series) {
        std::vector<BootCost> costs;
        for (const BootSize& size : sizes)
            add_figures(growth.figures, costs.emplace_back(measure(folder, size)));
        const std::vector<std::string> sentences = faster_than_linear(costs);
        growth.wrong.insert(growth.wrong.end(), sentences.begin(), sentences.end());
    }
    return growth;
}

} // namespace bulkhead::tools
