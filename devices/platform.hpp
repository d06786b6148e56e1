// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// The constants of the guest machine: one place for the device models, the ACPI tables and the port map.
// boot/guest/dsdt.asl repeats some of them; a unit test compares the two.
#pragma once

#include "base/types.hpp"
#include "mm/guest_layout.hpp"

namespace bulkhead::platform {

inline constexpr u16 uart_port = 0x3f8; ///< 8 ports
inline constexpr u32 uart_pin = 4;

// Ports 0x600 to 0x60f are the platform's own: free on a PC, where chipsets put their ACPI registers by habit.
inline constexpr u16 power_port = 0x600; ///< 8 ports, the next four among them
inline constexpr u16 sleep_control_port = 0x600;
inline constexpr u16 sleep_status_port = 0x601;
inline constexpr u16 reset_port = 0x602;
inline constexpr u16 button_port = 0x603;   ///< bit 0: the power button was pressed; writing 1 clears it
inline constexpr u16 pm_timer_port = 0x608; ///< 4 ports

inline constexpr u16 watchdog_port = 0x610; ///< 12 ports: registers of 4 bytes (devices/watchdog.hpp)
inline constexpr u16 watchdog_timeout_port = 0x610;
inline constexpr u16 watchdog_left_port = 0x614;
inline constexpr u16 watchdog_control_port = 0x618;

inline constexpr u8 reset_value = 0x01;
inline constexpr u8 soft_off_type = 5; ///< SLP_TYP of \_S5
inline constexpr u32 button_pin = 5;

inline constexpr GuestPhysical local_apic_base = guest_layout::local_apic;

/// Tables of the firmware: RSDP first. Backed by the guest's RAM, reserved in its E820 map.
inline constexpr GuestPhysical firmware_area = guest_layout::bios_area;
inline constexpr u64 firmware_area_size = guest_layout::bios_area_end - guest_layout::bios_area;

/// Guest RAM ends here or goes on above 4 GiB: in between are the APICs and, later, PCI.
inline constexpr u64 low_ram_limit = guest_layout::device_hole.value;

} // namespace bulkhead::platform
