// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// What the firmware says about the machine.
#pragma once

#include <span>

#include "boot/acpi_platform.hpp"
#include "boot/boot_info.hpp"
#include "boot/firmware.hpp"
#include "config/placement.hpp"

namespace bulkhead::boot {

/// The lists live in memory that the firmware frees at ExitBootServices: they are copied to the hand-off area.
struct MachineFacts {
    std::span<CpuInfo> cpus; ///< the first is the one that runs
    std::span<NodeMemory> nodes;
    std::span<IoApicInfo> io_apics;
    std::span<InterruptOverride> overrides;
    std::span<EcamInfo> ecam;
    std::span<HostPhysical> vtd_iommus;
    std::span<HostPhysical> amd_iommus;
    AcpiInfo acpi;
    acpi::PmTimer pm_timer;
    HostPhysical smbios;
    FramebufferInfo framebuffer;
    WallClock wall_clock;
};

/// Errors: no ACPI, no MADT, a damaged one; a paging mode that the hypervisor cannot start from.
[[nodiscard]] Result<MachineFacts> discover_machine(const Firmware& firmware);

/// True if Secure Boot is on (UEFI 2.10 32.4: the variable SecureBoot).
[[nodiscard]] bool secure_boot(const Firmware& firmware);

} // namespace bulkhead::boot
