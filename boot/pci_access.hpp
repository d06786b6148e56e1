// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// PCI configuration space and other registers, as the loader reaches them: by ports, and by the firmware's identity
// map.
#pragma once

#include "arch/x86_64/instructions.hpp"
#include "boot/boot_info.hpp"
#include "boot/identity_map.hpp"
#include "boot/pci.hpp"

namespace bulkhead::boot {

/// Registers in memory, by the firmware's identity map.
struct MappedRegisters : IdentityMap {
    [[nodiscard]] u32 read(HostPhysical address) const { return *at_physical<volatile u32>(address); }
    void write(HostPhysical address, u32 value) const { *at_physical<volatile u32>(address) = value; }
    void pause() const { (void)arch::in8(0x80); } // a bus cycle to nowhere
};

/// PCI 3.0 3.2.2.3.2: configuration mechanism 1, which reaches segment 0.
struct PortConfig {
    static void select(pci::Function function, u16 offset) {
        arch::out32(0xcf8, 0x8000'0000u | static_cast<u32>(function.bus) << 16 |
                               static_cast<u32>(function.device) << 11 | static_cast<u32>(function.function) << 8 |
                               (offset & 0xfcu));
    }
    [[nodiscard]] u32 read(pci::Function function, u16 offset) const {
        select(function, offset);
        return arch::in32(0xcfc);
    }
    void write(pci::Function function, u16 offset, u32 value) const {
        select(function, offset);
        arch::out32(0xcfc, value);
    }
};

/// PCIe 6.0 7.2.2: ECAM.
class MappedConfig {
public:
    explicit MappedConfig(HostPhysical base) : base_(base) {}
    [[nodiscard]] u32 read(pci::Function function, u16 offset) const { return registers_.read(at(function, offset)); }
    void write(pci::Function function, u16 offset, u32 value) const { registers_.write(at(function, offset), value); }

private:
    [[nodiscard]] HostPhysical at(pci::Function function, u16 offset) const {
        return base_ + (u64{function.bus} << 20 | u64{function.device} << 15 | u64{function.function} << 12 | offset);
    }
    HostPhysical base_;
    MappedRegisters registers_;
};

inline PhysicalRange registers_of(const EcamInfo& range) {
    return {range.address + (u64{range.start_bus} << 20), (u64{range.end_bus} - range.start_bus + 1) << 20};
}

} // namespace bulkhead::boot
