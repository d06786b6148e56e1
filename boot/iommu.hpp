// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// An IOMMU that the firmware left translating or remapping interrupts would go on by tables in memory that is given
// away. It is switched off, or the machine is refused.
#pragma once

#include <span>

#include "base/result.hpp"
#include "boot/usb_ownership.hpp"

namespace bulkhead::boot {

/// VT-d 5.1 11.4.4: clears TE and IRE of the IOMMU with these registers and waits until the status says so.
template <Registers Memory> [[nodiscard]] Result<void> switch_off_vtd(const Memory& memory, HostPhysical base) {
    constexpr u64 global_command = 0x18;
    constexpr u64 global_status = 0x1c;
    constexpr u32 state = 0x96ff'ffff; // without the bits of commands that run once
    constexpr u32 waits = 100'000;
    for (const u32 enable : {1u << 31 /* TE */, 1u << 25 /* IRE */}) {
        const u32 status = memory.read(base + global_status);
        if ((status & enable) == 0)
            continue;
        memory.write(base + global_command, status & state & ~enable);
        for (u32 i = 0; i < waits && (memory.read(base + global_status) & enable) != 0; ++i)
            memory.pause();
        if ((memory.read(base + global_status) & enable) != 0)
            return fail("the firmware's VT-d IOMMU cannot be switched off, registers at", base.value);
    }
    return {};
}

/// AMD IOMMU 3.07 3.4.4, control register: IommuEn stops translation and interrupt remapping at once.
template <Registers Memory> [[nodiscard]] Result<void> switch_off_amd(const Memory& memory, HostPhysical base) {
    constexpr u64 control = 0x18;
    constexpr u32 iommu_en = 1;
    const u32 value = memory.read(base + control);
    if ((value & iommu_en) == 0)
        return {};
    memory.write(base + control, value & ~iommu_en);
    if ((memory.read(base + control) & iommu_en) != 0)
        return fail("the firmware's AMD IOMMU cannot be switched off, registers at", base.value);
    return {};
}

} // namespace bulkhead::boot
