// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace bulkhead::integration {

/// Damages, on CPUs 1 to 4 of the machine that QEMU runs in this folder, what a guest's next entry needs: so that the
/// CPU refuses it, on the first two; so that the hypervisor itself goes astray, on the others, both at once. Returns
/// what it did.
[[nodiscard]] std::vector<std::string> damage_running_guests(const std::filesystem::path& folder);

/// Likewise where Bochs runs, with first_breakpoint_of_walk(), on CPUs 1 to 3: a VM entry that the CPU refuses, each
/// for another reason.
[[nodiscard]] std::vector<std::string> damage_running_guests_on_bochs(const std::filesystem::path& folder);

/// Leads so many of CPUs 3 and 4 astray while they start, before they are ready for a guest; QEMU's as soon as its
/// loader runs.
[[nodiscard]] std::vector<std::string> damage_starting_cpus(const std::filesystem::path& folder, std::size_t count);

/// Likewise both where Bochs runs, with breakpoint_at_start() as the first commands of its debugger.
[[nodiscard]] std::vector<std::string> damage_starting_cpus_on_bochs(const std::filesystem::path& folder);
[[nodiscard]] std::string breakpoint_at_start();

} // namespace bulkhead::integration
