// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// Of a machine that says nothing any more nothing is left once it has been ended: what its CPUs do is kept before.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "tools/machine.hpp"

namespace bulkhead::integration {

/// Registers and local APICs of the machine's CPUs, for standstill_in(). Of QEMU's machines alone: Bochs has no monitor
/// beside its console. Where it cannot be asked, that is kept instead.
void keep_standstill(tools::MachineKind machine, const std::filesystem::path& folder, unsigned cpus);

/// Where each CPU was, and whether it waited: a line or two each. Empty: the machine did not stand still.
[[nodiscard]] std::vector<std::string> standstill_in(const std::filesystem::path& folder);

} // namespace bulkhead::integration
