// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#pragma once

#include "boot/firmware.hpp"

namespace bulkhead::firmware {

/// Whether the file \bulkhead\absent-processors is on the volume of this program: the tables are to list processors
/// that are not there, which will not answer their start-up IPIs (boots_faults.cpp).
[[nodiscard]] bool wants_absent_processors(const boot::Firmware& firmware);

/// Whether the firmware has ACPI tables of its own.
[[nodiscard]] bool has_tables(const boot::Firmware& firmware);

/// In the firmware's own tables the processors that could be added, and are not there, become enabled ones.
/// False: there is none.
[[nodiscard]] bool enable_absent_processors(const boot::Firmware& firmware);

} // namespace bulkhead::firmware
