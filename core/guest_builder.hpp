// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#pragma once

#include "base/result.hpp"
#include "core/guest.hpp"

namespace bulkhead {

/// Ticks of the TSC that building a guest's memory took; under QEMU -icount, instructions.
struct BuildTimes {
    u64 zeroing = 0;
    u64 copying = 0;
};

/// Fills the guest's RAM with what it holds at its start: zeros, and the segments that the loader left. Runs on one of
/// the guest's own CPUs, as only there its RAM and the segments are mapped. Says how the first vCPU starts, or what the
/// loader found wrong with its kernel.
Result<EntryState> build_guest_memory(const Guest& guest, BuildTimes& times);

/// Zeros in all of the guest's RAM; on one of its own CPUs.
void clear_guest_memory(const Guest& guest);

} // namespace bulkhead
