// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// Takes inventory of the machine instead of starting guests: where there is no configuration, where the configuration
// or a key asks for it. docs/hardware.md describes it.
#pragma once

#include "boot/firmware.hpp"
#include "survey/inventory.hpp"

namespace bulkhead::boot {

/// Shows the inventory, writes it and a proposal of a configuration to the volume that this program came from, and
/// waits for a key. Nothing is an error: what could not be done is said.
void take_inventory(const Firmware& firmware);

/// Everything that the hardware and the firmware say. `inventory` is empty before.
void survey_machine(const Firmware& firmware, survey::Inventory& inventory);
/// The part of it that is PCI. `ecam`: what MCFG lists.
void survey_pci(const Firmware& firmware, survey::Inventory& inventory, std::span<const EcamInfo> ecam);

} // namespace bulkhead::boot
