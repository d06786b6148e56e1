// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// SMBIOS 3.7: who made the machine.
#pragma once

#include "boot/acpi.hpp"
#include "survey/inventory.hpp"

namespace bulkhead::survey {

struct SmbiosTable {
    HostPhysical address;
    u64 size = 0; ///< at most
};

/// Where the structures are, by what is readable of an entry point of either kind (SMBIOS 3.7 5.2).
[[nodiscard]] Result<SmbiosTable> parse_smbios_entry(acpi::Bytes entry);

/// Takes over types 0, 1 and 2.
void survey_smbios(Inventory& inventory, acpi::Bytes structures);

} // namespace bulkhead::survey
