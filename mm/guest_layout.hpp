// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// Where things are in a guest's physical memory: the same for every guest.
#pragma once

#include "mm/address.hpp"

namespace bulkhead::guest_layout {

/// RAM begins at 0. Of the first MiB of a PC this part, VGA memory and option ROMs, does not exist: reads give all
/// ones.
inline constexpr GuestPhysical legacy_hole{0xa0000};
inline constexpr GuestPhysical legacy_hole_end{0xe0000};

/// RAM that firmware would have written: ACPI tables. The guest is told that it is reserved.
inline constexpr GuestPhysical bios_area{0xe0000};
inline constexpr GuestPhysical bios_area_end{0x100000};

/// What RAM does not fit below this address is at 4 GiB and above.
inline constexpr GuestPhysical device_hole{0xc000'0000};
inline constexpr GuestPhysical device_hole_end{0x1'0000'0000};

/// The part of the device hole in which every PC has devices: what is not there reads as all ones.
inline constexpr GuestPhysical absent_devices{0xfec0'0000};
inline constexpr GuestPhysical io_apic{0xfec0'0000};
inline constexpr GuestPhysical local_apic{0xfee0'0000};

} // namespace bulkhead::guest_layout
