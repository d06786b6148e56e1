// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "integration/standstill.hpp"

#include <fstream>

#include "integration/monitor.hpp"
#include "tools/failure.hpp"

namespace bulkhead::integration {
namespace {

constexpr const char* kept_name = "standstill.txt";

} // namespace

void keep_standstill(tools::MachineKind machine, const std::filesystem::path& folder, unsigned cpus) {
    if (machine != tools::MachineKind::QemuAmd)
        return;
    std::ofstream file(folder / kept_name);
    try {
        Monitor monitor(folder);
        file << monitor.ask("info registers -a");
        for (unsigned cpu = 0; cpu < cpus; ++cpu)
            file << monitor.ask("info lapic " + std::to_string(cpu));
    } catch (const tools::Failure& failure) {
        file << "CPU# unknown: " << failure.what() << '\n';
    }
}

std::vector<std::string> standstill_in(const std::filesystem::path& folder) {
    std::vector<std::string> lines;
    std::ifstream file(folder / kept_name);
    for (std::string line; std::getline(file, line);)
        if (line.starts_with("CPU#") || line.starts_with("RIP=") || line.starts_with("EIP="))
            lines.push_back(line);
    return lines;
}

} // namespace bulkhead::integration
