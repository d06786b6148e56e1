// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#pragma once

#include "boot/firmware.hpp"

namespace bulkhead::firmware {

/// Where the machine has Bochs' VGA as a PCI device (MachineOptions::screen): pixels, and a graphics output protocol
/// (UEFI 2.10 12.9) that says where they are. OVMF has no driver for it there, and Bochs without a window shows no
/// pixels of 32 bits: they are memory, and nobody sees them. Nobody can draw by that protocol, nor change the mode.
void install_screen(const boot::Firmware& firmware);

} // namespace bulkhead::firmware
