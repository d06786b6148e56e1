// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#pragma once

#include <string>
#include <vector>

namespace bulkhead::tools {

/// What a boot with so many guests of so many vCPUs each costs, as the hypervisor says.
struct BootCost {
    unsigned guests = 0;
    unsigned vcpus = 0;
    unsigned long long instructions = 0; ///< zeroing, copying and "all else": without firmware, hashing, hardware waits
    unsigned long long kept_kib = 0;     ///< memory of the hypervisor's
    unsigned long long stage_two_kib = 0; ///< second-stage tables
};

/// Out of a boot's output. Zeroes for what was not said.
[[nodiscard]] BootCost read_boot_cost(const std::vector<std::string>& lines, unsigned guests, unsigned vcpus);

/// A sentence for each cost, of ascending sizes, that grows faster than linearly: the step to a boot with more CPUs
/// costs more for each of them than the step before it, by more than a tenth; and for each cost that is missing.
[[nodiscard]] std::vector<std::string> faster_than_linear(const std::vector<BootCost>& costs);

} // namespace bulkhead::tools
