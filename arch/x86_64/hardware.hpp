// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// The hardware as the drivers' templates want it (base/hardware.hpp). Tests give them fakes instead.
#pragma once

#include "arch/x86_64/instructions.hpp"
#include "arch/x86_64/layout.hpp"

namespace bulkhead::arch {

/// The CpuidSource that is the instruction.
inline constexpr auto this_cpuid = [](u32 leaf, u32 subleaf) { return cpuid(leaf, subleaf); };

struct CpuMsrs {
    [[nodiscard]] u64 read(u32 number) const { return read_msr(number); }
    void write(u32 number, u64 value) const { write_msr(number, value); }
    void fence() const { memory_fence(); }
};

struct CpuPorts {
    [[nodiscard]] u8 in8(u16 port) const { return arch::in8(port); }
    [[nodiscard]] u32 in32(u16 port) const { return arch::in32(port); }
    void out8(u16 port, u8 value) const { arch::out8(port, value); }
};

struct CpuTsc {
    [[nodiscard]] u64 read() const { return read_tsc(); }
};

/// A device's registers in the hypervisor's uncached window.
class DeviceRegisters {
public:
    explicit constexpr DeviceRegisters(HostPhysical address = {}) : address_(layout::mmio + address.value) {}
    [[nodiscard]] u32 read(u32 offset) const { return *reinterpret_cast<volatile u32*>(address_ + offset); }
    void write(u32 offset, u32 value) const { *reinterpret_cast<volatile u32*>(address_ + offset) = value; }

private:
    u64 address_;
};

} // namespace bulkhead::arch
