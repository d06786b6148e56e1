// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "core/local_apic_of_cpu.hpp"

namespace bulkhead {

namespace {
constinit arch::CpuMsrs msrs;
constinit arch::DeviceRegisters registers;
constinit CpuLocalApic apic(msrs, registers);
} // namespace

CpuLocalApic& local_apic() { return apic; }

void set_local_apic_address(HostPhysical address) { registers = arch::DeviceRegisters(address); }

} // namespace bulkhead
