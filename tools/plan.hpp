// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// `bulkhead check`: who would get what of a machine, as text and as a picture.
#pragma once

#include <filesystem>
#include <ostream>
#include <string>
#include <vector>

#include "tools/configuration.hpp"
#include "tools/inventory.hpp"

namespace bulkhead::tools {

/// What the loader would decide on one machine.
struct PlannedMachine {
    struct Guest {
        std::string name;
        std::vector<u32> cpus;
        std::vector<MemoryChunk> memory;
        std::string console; ///< where its console is
        bool far = false;    ///< some of it is further apart than it should be
    };
    std::string machine; ///< what it is called
    std::vector<CpuInfo> cpus;
    std::vector<PhysicalRange> free_memory;
    std::vector<Guest> guests;
    u32 service_cpu = no_cpu;
    std::string text;                ///< the plan as the loader prints it
    std::vector<std::string> notes;  ///< what will not be as the configuration says, and does not keep it from running
    std::vector<std::string> errors; ///< as CheckedConfiguration's; where there are any the rest is not to be used
};

/// A machine that is made up: as many cores of one thread as `configuration` needs and one, and enough memory.
[[nodiscard]] InventoryMachine made_up_machine(const CheckedConfiguration& configuration);

/// Throws Failure if the file itself cannot be read. What the hypervisor itself takes of the memory is taken off.
[[nodiscard]] PlannedMachine plan_configuration(const std::filesystem::path& path, const InventoryMachine& machine);

/// Cores, memory and consoles, for a person.
void write_plan_text(std::ostream& out, const PlannedMachine& plan);

/// The same as an SVG 1.1 picture.
void write_plan_svg(std::ostream& out, const PlannedMachine& plan);

} // namespace bulkhead::tools
