// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#pragma once

#include <string>
#include <vector>

namespace bulkhead::tools {

/// So many guests, and what each has.
struct BootSize {
    unsigned guests = 1;
    unsigned vcpus = 1;
    unsigned memory_mib = 32;
};

/// What such a boot costs, as the hypervisor says.
struct BootCost {
    BootSize size;
    unsigned long long instructions = 0; ///< zeroing, copying and "all else": without firmware, hashing, hardware waits
    unsigned long long kept_kib = 0;     ///< memory of the hypervisor's
    unsigned long long stage_two_kib = 0; ///< second-stage tables
};

[[nodiscard]] std::string describe(const BootSize& size);

/// Out of a boot's output. Zeroes for what was not said.
[[nodiscard]] BootCost read_boot_cost(const std::vector<std::string>& lines, const BootSize& size);

/// A sentence for each cost, of ascending sizes, that grows faster than linearly: one vCPU, guest or MiB of it costs more
/// than in a smaller boot, by more than a tenth; and for each cost that is missing.
[[nodiscard]] std::vector<std::string> faster_than_linear(const std::vector<BootCost>& costs);

} // namespace bulkhead::tools
