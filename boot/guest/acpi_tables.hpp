// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#pragma once

#include <span>

#include "base/result.hpp"
#include "devices/platform.hpp"

namespace bulkhead {

/// Bytes that the tables of a guest with so many vCPUs take.
u64 acpi_tables_size(u32 vcpus);

/// Writes a guest's ACPI tables (ACPI 6.5: RSDP, XSDT, FADT hardware-reduced, MADT, SPCR, DSDT) into `area`, which is
/// the guest's memory at platform::firmware_area, all zeros. The RSDP is at its start. The vCPUs have APIC IDs 0 to
/// `vcpus` - 1; at least one. Returns the bytes used, or an error with the number of vCPUs that do not fit.
Result<u64> build_acpi_tables(std::span<u8> area, u32 vcpus);

} // namespace bulkhead
