// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "integration/read_back.hpp"

#include <fstream>
#include <iterator>

#include "tools/configuration.hpp"
#include "tools/failure.hpp"
#include "tools/inventory.hpp"
#include "tools/process.hpp"
#include "tools/transcript.hpp"

namespace bulkhead::integration {
namespace {

/// Files of the stick, with those that the boot put there, as `bulkhead check` would find them.
std::filesystem::path stick_of(const std::filesystem::path& folder) { return folder / "stick"; }

std::vector<std::string> lines_of(const std::filesystem::path& file) {
    std::ifstream stream(file, std::ios::binary);
    tools::Transcript transcript;
    transcript.add(std::string(std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>()) + "\n");
    return transcript.lines();
}

/// toml++ reads the inventory, our own parser the proposal.
std::vector<std::string> check(const std::filesystem::path& folder) {
    std::vector<std::string> lines;
    try {
        const tools::InventoryMachine machine = tools::read_inventory(stick_of(folder) / "inventory.toml");
        u64 memory = 0;
        for (const PhysicalRange& range : machine.free_memory)
            memory += range.size;
        lines.push_back("inventory.toml: " + std::to_string(machine.cpus.size()) + " CPUs, " +
                        std::to_string(memory / MiB) + " MiB");
        const auto proposal = tools::read_configuration(stick_of(folder) / "bulkhead.toml");
        lines.insert(lines.end(), proposal.errors.begin(), proposal.errors.end());
        lines.push_back("bulkhead.toml: " + std::to_string(proposal.errors.size()) + " errors");
    } catch (const tools::Failure& failure) {
        lines.emplace_back(failure.what());
    }
    return lines;
}

} // namespace

void keep_survey(const Boot& boot, const std::filesystem::path& folder) {
    const std::filesystem::path stick = stick_of(folder);
    std::filesystem::rename(folder / "serial.log", folder / "survey.log");
    std::filesystem::create_directories(stick);
    for (const tools::ImageFile& file : boot.files)
        std::filesystem::create_symlink(file.source, stick / file.name);
    const std::string volume = (folder / "disk.img").string() + "@@1048576";
    for (const char* name : {"inventory.toml", "bulkhead.toml"})
        tools::run_or_throw({"mcopy", "-o", "-i", volume, std::string("::/bulkhead/") + name, stick / name},
                            {"MTOOLSRC=/dev/null", "MTOOLS_SKIP_CHECK=1"});
}

std::map<std::string, std::vector<std::string>> read_survey(const std::filesystem::path& folder) {
    return {{"survey", lines_of(folder / "survey.log")},
            {"inventory.toml", lines_of(stick_of(folder) / "inventory.toml")},
            {"bulkhead.toml", lines_of(stick_of(folder) / "bulkhead.toml")},
            {"check", check(folder)}};
}

} // namespace bulkhead::integration
