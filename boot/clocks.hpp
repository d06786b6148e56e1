// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#pragma once

#include "boot/machine.hpp"

namespace bulkhead::boot {

/// Whether this CPU has an x2APIC (CPUID 1 ECX bit 21), which is used then.
[[nodiscard]] bool has_x2apic();

/// Frequencies of the TSC and of the local APIC's timer. After ExitBootServices, when only interrupts that are masked
/// can be raised: takes 10 ms, and where CPUID does not state the TSC's frequency 40 ms or 100 ms more. The local APIC
/// is on then, in the mode that the hypervisor uses, with all its LVT entries masked.
/// Errors: those of calibrate_tsc() and of drivers::LocalApic::enable().
[[nodiscard]] Result<Clocks> measure_clocks(const MachineFacts& facts);

} // namespace bulkhead::boot
