// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// Where a machine's page tables begin, as its memory shows it: in what the hypervisor wrote there for the CPUs.
#pragma once

#include <set>
#include <span>

#include "base/types.hpp"

namespace bulkhead::integration {

/// Host-physical addresses of tables of level 4.
struct PageRoots {
    std::set<u64> hosts;         ///< the hypervisor's, of each CPU
    std::set<u64> second_stages; ///< of guests and parked CPUs
    u64 present_in_second_stage; ///< an entry with one of these bits is present
};

/// Little-endian. Throws tools::Failure where there is no memory.
[[nodiscard]] u64 word_at(std::span<const u8> memory, u64 address);

/// AMD-V, where QEMU emulates it.
[[nodiscard]] PageRoots roots_in_vmcbs(std::span<const u8> memory);
/// VT-x, where Bochs emulates it.
[[nodiscard]] PageRoots roots_in_vmcss(std::span<const u8> memory);

} // namespace bulkhead::integration
