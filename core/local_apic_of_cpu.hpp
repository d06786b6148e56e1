// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#pragma once

#include "arch/x86_64/hardware.hpp"
#include "drivers/local_apic.hpp"

namespace bulkhead {

using CpuLocalApic = drivers::LocalApic<arch::CpuMsrs, arch::DeviceRegisters>;

/// The running CPU's. One object serves all CPUs: it has no state but the mode.
CpuLocalApic& local_apic();

/// The running CPU's APIC as a guest finds it: LocalApic::reset_for_guest(), and nothing pending or in service. The
/// caller lets interrupts through but for RFLAGS.IF, which is 0 before and after.
void discard_interrupts();

/// Where the xAPIC's registers are; before the first use of local_apic().
void set_local_apic_address(HostPhysical address);

/// Switches the running CPU's on: LocalApic::enable(), as what CPUID says that it is.
Result<void> enable_local_apic();

} // namespace bulkhead
