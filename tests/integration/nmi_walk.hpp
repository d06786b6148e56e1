// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace bulkhead::integration {

/// Walks with an NMI through the hypervisor on CPU 1 of the machine that QEMU runs in this folder, which has a guest
/// that exits in many ways, again and again: for each kind of exit the first NMI comes before the hypervisor's first
/// instruction, the next before its second, and so on to VMRUN; before each instruction once. Returns, for each kind,
/// how many NMIs there were and how many of them reached the hypervisor's handler in time.
[[nodiscard]] std::vector<std::string> walk_with_nmi(const std::filesystem::path& folder);

/// Likewise where Bochs runs: the guest has two vCPUs, on CPUs 1 and 2, and the second sends the first one NMI after
/// the other. A round of the guest is one way: an NMI comes before each of its instructions that is the hypervisor's.
[[nodiscard]] std::vector<std::string> walk_with_nmi_on_bochs(const std::filesystem::path& folder);
/// With these commands its debugger has to begin.
[[nodiscard]] std::string first_breakpoint_of_walk();

} // namespace bulkhead::integration
