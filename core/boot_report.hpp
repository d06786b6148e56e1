// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#pragma once

namespace bulkhead {

/// Just before the first guest runs: memory kept and what booting cost. The times of reading, copying, zeroing and
/// hardware waits are told apart from the rest; under QEMU's -icount they are instruction counts.
void announce_start();

} // namespace bulkhead
