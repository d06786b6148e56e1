// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// The tables that say where timers, PCI configuration space and IOMMUs are. Each function takes a whole table, header
// included.
#pragma once

#include "boot/acpi.hpp"
#include "boot/boot_info.hpp"

namespace bulkhead::acpi {

struct PmTimer {
    u16 port = 0; ///< 0: there is none
    bool has_32_bits = false;
};

/// FADT, ACPI 6.5 5.2.9: X_PM_TMR_BLK where it is an I/O port, else PM_TMR_BLK.
[[nodiscard]] PmTimer parse_fadt(Bytes table);

struct ResetRegister {
    u16 port = 0; ///< 0: there is none
    u8 value = 0;
};

/// FADT, ACPI 6.5 4.8.3.6: RESET_REG and RESET_VALUE where it is an I/O port. For the chipset's register the bit is
/// left out by which the machine's power would go off for a moment, and with it what memory holds.
[[nodiscard]] ResetRegister parse_reset_register(Bytes fadt);

/// HPET table, IA-PC HPET 1.0a 3.2.4: the address of the registers, 0 where they are not in memory.
[[nodiscard]] HostPhysical parse_hpet(Bytes table);

/// MCFG, PCI Firmware 3.3 4.1.2: how many ranges it lists at most.
[[nodiscard]] u64 count_mcfg(Bytes table);

/// The sensible ranges of an MCFG, in `storage`: address not 0, start bus not above end bus.
[[nodiscard]] std::span<EcamInfo> parse_mcfg(Bytes table, std::span<EcamInfo> storage);

/// Register bases of the IOMMUs in a DMAR table (VT-d 5.1 8.3, DRHD), each once. What has no room is left out.
[[nodiscard]] std::span<HostPhysical> parse_dmar(Bytes table, std::span<HostPhysical> storage);

/// Register bases of the IOMMUs in an IVRS table (AMD IOMMU 3.07 5.2.2, IVHD), each once. What has no room is left out.
[[nodiscard]] std::span<HostPhysical> parse_ivrs(Bytes table, std::span<HostPhysical> storage);

} // namespace bulkhead::acpi
