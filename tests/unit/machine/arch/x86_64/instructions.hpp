// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// In the place of arch/x86_64/instructions.hpp where what runs on the machine alone is compiled for a unit test: the
// time and the CPU are what the test says.
#pragma once

#include <functional>

#include "arch/x86_64/cpuid.hpp"
#include "mm/address.hpp"

namespace bulkhead::arch {

inline u64 tsc = 0;
inline u64 running_cpu = 1; ///< CR3, by which locks know who has them

/// What others do meanwhile: called where a CPU looks at the clock, waits, or reaches for a port.
inline std::function<void()> meanwhile;

inline u64 read_tsc() {
    if (meanwhile)
        meanwhile();
    return tsc;
}
inline u64 read_cr3() { return running_cpu; }
inline void pause() {
    if (meanwhile)
        meanwhile();
}

struct [[gnu::packed]] DescriptorTablePointer {
    u16 limit;
    u64 base;
};

} // namespace bulkhead::arch
