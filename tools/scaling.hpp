// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#pragma once

#include "tools/machine.hpp"

namespace bulkhead::tools {

/// Boots the guest hello with 1 to 32 vCPUs, and 1 to 16 of it, counting instructions; prints a table
/// (docs/performance.md). QEMU only. The exit status: 0 when nothing grows faster than linearly.
[[nodiscard]] int run_scaling(MachineKind machine);

} // namespace bulkhead::tools
