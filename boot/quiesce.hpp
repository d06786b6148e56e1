// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// Hardware goes silent between the firmware and the hypervisor.
#pragma once

#include "boot/firmware.hpp"
#include "boot/machine.hpp"

namespace bulkhead::boot {

/// While boot services run, after the last file was read: the firmware's drivers of storage, network and USB
/// controllers let go of their devices. Display drivers stay, the framebuffer is theirs.
void disconnect_dma_drivers(const Firmware& firmware);

/// While boot services run: fails if registers that silence_hardware() and measure_clocks() must reach are not
/// mapped.
[[nodiscard]] Result<void> check_registers(const MachineFacts& facts);

/// After ExitBootServices: takes USB controllers from the BIOS, stops DMA, masks PIC, I/O APICs and HPET, and switches
/// IOMMUs off.
[[nodiscard]] Result<void> silence_hardware(const MachineFacts& facts);

} // namespace bulkhead::boot
