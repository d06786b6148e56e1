// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// In the place of arch/x86_64/hardware.hpp, likewise: an HPET whose counter is the TSC, and the ports
// of a 16550.
#pragma once

#include <functional>

#include "arch/x86_64/instructions.hpp"
#include "arch/x86_64/layout.hpp"
#include "fakes/uart.hpp"

namespace bulkhead::arch {

struct CpuMsrs {
    [[nodiscard]] u64 read(u32) const { return 0; }
    void write(u32, u64) const {}
    void fence() const {}
};

struct CpuPorts {
    static inline fakes::Uart* uart = nullptr;

    [[nodiscard]] u8 in8(u16 port) const {
        if (meanwhile)
            meanwhile();
        return uart != nullptr ? uart->in8(port) : u8{0xff};
    }
    [[nodiscard]] u32 in32(u16) const { return ~0u; }
    void out8(u16 port, u8 value) const {
        if (meanwhile)
            meanwhile();
        if (uart != nullptr)
            uart->out8(port, value);
    }
};

struct DeviceRegisters {
    static inline std::function<u32(u32 offset)> on_read;
    static inline std::function<void(u32 offset, u32 value)> on_write;

    explicit constexpr DeviceRegisters(HostPhysical = {}) {}
    [[nodiscard]] u32 read(u32 offset) const { return on_read(offset); }
    void write(u32 offset, u32 value) const { on_write(offset, value); }
};

} // namespace bulkhead::arch
