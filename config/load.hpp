// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// The one way from the text of a configuration to a plan, for the loader and for the host command.
#pragma once

#include <array>
#include <string_view>

#include "config/diagnostics.hpp"
#include "config/files.hpp"
#include "config/model.hpp"
#include "config/placement.hpp"
#include "config/toml.hpp"

namespace bulkhead {

inline constexpr std::size_t max_configuration_size = 256 * KiB;

/// What a configuration lives in: half a MiB of zeros, so a static object (.bss) or on the heap.
struct ConfigurationStorage {
    std::array<Diagnostic, 256> diagnostics{};
    std::array<char, 32 * KiB> messages{};
    std::array<toml::Entry, 1024> entries{};
    std::array<toml::Scalar, max_cpus> elements{};
    std::array<Located<u64>, max_cpus> cpu_numbers{};
    std::array<Located<PhysicalRange>, max_cpus> memory_ranges{};
    std::array<ModuleConfig, 2 * max_guests> modules{};
    std::array<Located<std::string_view>, max_cpus> digests{};
    std::array<char, max_configuration_size> strings{};
    PlacementStorage placement;
};

/// The result of load_configuration(). Valid as long as `storage` and the file's text are.
struct LoadedConfiguration {
    explicit LoadedConfiguration(ConfigurationStorage& where)
        : storage(where), diagnostics(where.diagnostics, where.messages) {}

    ConfigurationStorage& storage;
    Configuration configuration;
    Plan plan; ///< where a machine was given
    Diagnostics diagnostics;
};

/// Parses and validates `text`, looks for the files that it names, and, where `machine` is not null, decides who gets
/// what of it. All faults of all of these steps are in `loaded.diagnostics`, in the order of the file. True where there
/// is none. `loaded` may be used again.
[[nodiscard]] bool load_configuration(std::string_view text, Files& files, const Machine* machine,
                                      LoadedConfiguration& loaded);

} // namespace bulkhead
