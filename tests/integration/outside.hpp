// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// The hypervisor as its own machine's memory shows it, from outside: what its page tables map, and what guests' memory
// holds.
#pragma once

#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "base/types.hpp"
#include "integration/page_roots.hpp"
#include "tools/machine.hpp"

namespace bulkhead::integration {

/// Of a guest's RAM: host-physical, as the hypervisor's line about it says.
struct GuestRam {
    std::string guest;
    u64 start = 0, size = 0; ///< bytes
};

/// Out of what the machine has said so far.
[[nodiscard]] std::vector<GuestRam> guest_ram_in(const std::vector<std::string>& lines);

/// Lines about `memory`, all RAM of a machine whose physical addresses begin at 0: how many CPUs' tables there are,
/// what each maps, likewise second stages, and how much of each guest's RAM is not zero.
[[nodiscard]] std::vector<std::string> describe_memory(std::span<const u8> memory, const PageRoots& roots,
                                                       const std::vector<GuestRam>& guests);

/// Stops the machine that runs in `folder` for a moment and writes describe_memory() to the file NAME.outside there. On
/// QemuAmd, or on BochsIntel with a debugger. Throws tools::Failure.
void look_from_outside(tools::MachineKind machine, const std::filesystem::path& folder, const std::string& name,
                       unsigned memory_mib, const std::vector<std::string>& lines);

} // namespace bulkhead::integration
