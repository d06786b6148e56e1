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

/// The table of the EFI configuration table that has this GUID, or 0. UEFI 2.10 4.6.
[[nodiscard]] HostPhysical configuration_table(const Firmware& firmware, EFI_GUID guid);
/// The first of two that there is.
[[nodiscard]] HostPhysical configuration_table(const Firmware& firmware, EFI_GUID preferred, EFI_GUID other);

/// The screen as the firmware set it up. UEFI 2.10 12.9.
[[nodiscard]] FramebufferInfo read_framebuffer(const Firmware& firmware);

/// True if Secure Boot is on (UEFI 2.10 32.4: the variable SecureBoot).
[[nodiscard]] bool secure_boot(const Firmware& firmware);

} // namespace bulkhead::boot
