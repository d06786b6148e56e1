// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// What ACPI tables say of a machine: processors, IOMMUs, serial ports.
#pragma once

#include "boot/acpi.hpp"
#include "survey/inventory.hpp"

namespace bulkhead::survey {

/// Takes over what is known of these tables; each is what can be read of one, header first, of any order and however
/// damaged. What is damaged is a note. `first_cpu` is the APIC ID of the processor that becomes the first.
void survey_acpi(Inventory& inventory, std::span<const acpi::Bytes> tables, u32 first_cpu);

// What survey_acpi() calls for whole tables with the right checksum.
void survey_dmar(Inventory& inventory, acpi::Bytes table);
void survey_ivrs(Inventory& inventory, acpi::Bytes table);
void survey_spcr(Inventory& inventory, acpi::Bytes table);
void survey_dbg2(Inventory& inventory, acpi::Bytes table);

} // namespace bulkhead::survey
