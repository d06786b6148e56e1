// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// In the place of arch/x86_64/hardware.hpp, likewise: an HPET whose counter is the TSC, and ports without a device.
#pragma once

#include <functional>

#include "arch/x86_64/instructions.hpp"
#include "arch/x86_64/layout.hpp"

namespace bulkhead::arch {

struct CpuMsrs {
    [[nodiscard]] u64 read(u32) const { return 0; }
    void write(u32, u64) const {}
    void fence() const {}
};

struct CpuPorts {
    [[nodiscard]] u8 in8(u16) const { return 0xff; }
    [[nodiscard]] u32 in32(u16) const { return ~0u; }
    void out8(u16, u8) const {}
};

struct DeviceRegisters {
    static inline std::function<u32(u32 offset)> on_read;
    static inline std::function<void(u32 offset, u32 value)> on_write;

    explicit constexpr DeviceRegisters(HostPhysical = {}) {}
    [[nodiscard]] u32 read(u32 offset) const { return on_read(offset); }
    void write(u32 offset, u32 value) const { on_write(offset, value); }
};

} // namespace bulkhead::arch
