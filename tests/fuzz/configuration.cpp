// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// Any bytes as a configuration: either we accept them, and toml++ does with the same values; or we refuse them, each
// fault with its line. What is accepted is placed on a machine, whose CPUs and memory nobody gets twice.
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>

#include "config/load.hpp"
#include "fuzz/fuzz.hpp"
#include "unit/config/toml_oracle.hpp"

namespace bulkhead {
namespace {

/// Every file is there.
class AnyFile final : public Files {
public:
    Result<u64> size(std::string_view) override { return 64 * KiB; }
};

void check_faults(const Diagnostics& diagnostics) {
    for (const Diagnostic& diagnostic : diagnostics.all())
        if (diagnostic.at.line == 0 || diagnostic.message.empty())
            fuzz::fail("a fault without a line");
}

/// One for all runs: to make it takes longer than a run.
ConfigurationStorage& storage() {
    static const auto one = std::make_unique<ConfigurationStorage>();
    return *one;
}

void compare_with_oracle(std::string_view text) {
    Diagnostics diagnostics(storage().diagnostics, storage().messages);
    const auto entries = toml::parse(text, {storage().entries, storage().elements, storage().strings}, diagnostics);
    if (!diagnostics.empty())
        return check_faults(diagnostics);
    try {
        if (!test::same_document(entries, ::toml::parse(text)))
            fuzz::fail("toml++ reads other values");
    } catch (const ::toml::parse_error&) {
        fuzz::fail("toml++ refuses what we accept");
    }
}

void check_plan(const Plan& plan, std::size_t cpus) {
    std::vector<bool> taken(cpus);
    std::vector<MemoryChunk> chunks;
    for (const GuestPlan& guest : plan.guests) {
        for (const u32 cpu : guest.cpus) {
            if (taken.at(cpu))
                fuzz::fail("a CPU of two guests");
            taken[cpu] = true;
        }
        chunks.insert(chunks.end(), guest.memory.begin(), guest.memory.end());
    }
    std::ranges::sort(chunks, {}, &MemoryChunk::host);
    for (std::size_t i = 1; i < chunks.size(); ++i)
        if (chunks[i - 1].host + chunks[i - 1].size > chunks[i].host)
            fuzz::fail("memory of two guests");
}

/// Two nodes of three cores of two threads.
const std::vector<CpuInfo>& processors() {
    static const std::vector<CpuInfo> cpus = [] {
        std::vector<CpuInfo> result;
        for (u32 i = 0; i < 12; ++i)
            result.push_back(
                {.apic_id = i, .acpi_uid = i, .core = i / 2 * 2, .package = i / 6, .cache = i / 6, .node = i / 6});
        return result;
    }();
    return cpus;
}

void try_configuration(std::string_view text) {
    constexpr PhysicalRange free[] = {{{MiB}, 2 * GiB}, {{4 * GiB}, 8 * GiB}, {{64 * GiB}, 3 * MiB}};
    constexpr NodeMemory nodes[] = {{{{0}, 8 * GiB}, 0}, {{{8 * GiB}, 128 * GiB}, 1}};
    LoadedConfiguration loaded(storage());
    AnyFile files;
    if (!load_configuration(text, files, nullptr, loaded))
        return check_faults(loaded.diagnostics);
    const Machine machine{.cpus = processors(), .free_memory = free, .nodes = nodes};
    if (load_configuration(text, files, &machine, loaded))
        check_plan(loaded.plan, machine.cpus.size());
    else
        check_faults(loaded.diagnostics);
}

} // namespace

void fuzz::try_input(Bytes input) {
    if (input.size() > max_configuration_size)
        return;
    compare_with_oracle(text_of(input));
    try_configuration(text_of(input));
}

/// The examples, and the configurations of other tests.
std::vector<fuzz::Seed> fuzz::seeds() {
    std::vector<Seed> seeds;
    std::vector<std::filesystem::path> files;
    for (const char* folder : {SOURCE_FOLDER "/docs/examples", SOURCE_FOLDER "/tests/integration/data"})
        for (const auto& entry : std::filesystem::directory_iterator(folder))
            if (entry.path().extension() == ".toml")
                files.push_back(entry.path());
    std::ranges::sort(files);
    for (const auto& path : files) {
        std::ifstream file(path, std::ios::binary);
        seeds.emplace_back(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
    }
    return seeds;
}

} // namespace bulkhead
