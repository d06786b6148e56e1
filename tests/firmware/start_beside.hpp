// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#pragma once

#include <string_view>

#include "boot/firmware.hpp"

namespace bulkhead::firmware {

/// Starts a UEFI program on the volume that this one is from. `file`: its path, with a zero behind it. Returns when that
/// has given up, or EFI's error if there is none.
EFI_STATUS start_beside(const boot::Firmware& firmware, std::u16string_view file);

} // namespace bulkhead::firmware
