// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#pragma once

#include <string_view>

#include "boot/firmware.hpp"

namespace bulkhead::firmware {

/// Whether such a file is on the volume of this program, which is how a boot (boots_faults.cpp) asks for a fault.
[[nodiscard]] bool has_file(const boot::Firmware& firmware, std::u16string_view path);

/// The tables are to list processors that are not there, which will not answer their start-up IPIs.
inline bool wants_absent_processors(const boot::Firmware& firmware) {
    return has_file(firmware, u"\\bulkhead\\absent-processors");
}

/// On Intel's machines the last two processors are to have VT-x switched off for good, as firmware that sets up only
/// some of them leaves it.
inline bool wants_unfit_processors(const boot::Firmware& firmware) {
    return has_file(firmware, u"\\bulkhead\\unfit-processors");
}

/// Whether the firmware has ACPI tables of its own.
[[nodiscard]] bool has_tables(const boot::Firmware& firmware);

/// In the firmware's own tables the processors that could be added, and are not there, become enabled ones.
/// False: there is none.
[[nodiscard]] bool enable_absent_processors(const boot::Firmware& firmware);

} // namespace bulkhead::firmware
