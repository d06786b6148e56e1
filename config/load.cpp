// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "config/load.hpp"

#include "config/interpret.hpp"
#include "config/validate.hpp"

namespace bulkhead {

bool load_configuration(std::string_view text, Files& files, const Machine* machine, LoadedConfiguration& loaded) {
    ConfigurationStorage& storage = loaded.storage;
    Diagnostics& diagnostics = loaded.diagnostics;
    diagnostics.clear();
    loaded.plan = {};
    const auto entries = toml::parse(text, {storage.entries, storage.elements, storage.strings}, diagnostics);
    interpret(entries, {storage.cpu_numbers, storage.memory_ranges, storage.modules, storage.digests},
              loaded.configuration, diagnostics);
    validate(loaded.configuration, diagnostics);
    check_files(loaded.configuration, files, diagnostics);
    if (machine)
        loaded.plan = place(loaded.configuration, *machine, storage.placement, diagnostics);
    return diagnostics.empty();
}

} // namespace bulkhead
