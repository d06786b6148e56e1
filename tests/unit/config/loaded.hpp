// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// Loads a configuration for a test, with a folder of files and a machine that exist in memory only.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/load.hpp"
#include "parsed.hpp"

namespace bulkhead::test {

class FakeFiles : public Files {
public:
    std::map<std::string, u64, std::less<>> sizes{{"vmlinuz", 2 * MiB}, {"initrd", 20 * MiB}, {"empty", 0}};

    Result<u64> size(std::string_view path) override {
        const auto found = sizes.find(path);
        if (found == sizes.end())
            return fail("there is no such file");
        return found->second;
    }
};

struct FakeMachine {
    std::vector<CpuInfo> cpus;
    std::vector<PhysicalRange> memory;
    std::vector<NodeMemory> nodes{};

    /// `cores[i]` threads on core i, numbered core by core.
    static FakeMachine with_cores(std::initializer_list<u32> cores, std::vector<PhysicalRange> memory) {
        FakeMachine machine{.cpus = {}, .memory = std::move(memory)};
        u32 core = 0;
        for (u32 threads : cores) {
            for (u32 i = 0; i < threads; ++i)
                machine.cpus.push_back({.apic_id = core * 2 + i, .acpi_uid = 0, .core = core, .package = 0});
            ++core;
        }
        return machine;
    }
    [[nodiscard]] Machine view() const { return {cpus, memory, nodes}; }
};

struct Loaded {
    explicit Loaded(std::string_view source, const std::optional<FakeMachine>& fake = {}, FakeFiles files = {})
        : text(source), machine(fake.value_or(FakeMachine{})) {
        const Machine view = machine.view();
        right = load_configuration(text, files, fake ? &view : nullptr, loaded);
    }

    [[nodiscard]] std::string faults() const { return Faults::print(loaded.diagnostics); }
    [[nodiscard]] std::string plan() const {
        std::vector<char> buffer(64 * KiB);
        Text out(buffer);
        write_plan(out, loaded.configuration, loaded.plan, machine.view());
        return std::string(out.view());
    }
    [[nodiscard]] const GuestConfig& guest(std::size_t i) const { return loaded.configuration.guests[i]; }

    std::string text;
    FakeMachine machine;
    std::unique_ptr<ConfigurationStorage> storage = std::make_unique<ConfigurationStorage>();
    LoadedConfiguration loaded{*storage};
    bool right = false;
};

} // namespace bulkhead::test
