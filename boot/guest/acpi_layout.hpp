// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// The tables that a guest is given. Section numbers are those of ACPI 6.5; the SPCR is Microsoft's "Serial Port Console
// Redirection Table", revision 2; the WDAT is of Microsoft's "Hardware Watchdog Timers Design Specification", 1.01.
#pragma once

#include <cstddef>

#include "base/types.hpp"

namespace bulkhead::acpi_layout {

#pragma pack(push, 1)

struct RootPointer { // 5.2.5.3
    char signature[8];
    u8 checksum;
    char oem_id[6];
    u8 revision;
    u32 rsdt_address;
    u32 length;
    u64 xsdt_address;
    u8 extended_checksum;
    u8 reserved[3];
};
static_assert(sizeof(RootPointer) == 36 && offsetof(RootPointer, length) == 20);

struct Header { // 5.2.6
    char signature[4];
    u32 length;
    u8 revision;
    u8 checksum;
    char oem_id[6];
    char oem_table_id[8];
    u32 oem_revision;
    char creator_id[4];
    u32 creator_revision;
};
static_assert(sizeof(Header) == 36);

struct GenericAddress { // 5.2.3.2
    u8 address_space_id;
    u8 register_bit_width;
    u8 register_bit_offset;
    u8 access_size;
    u64 address;
};
static_assert(sizeof(GenericAddress) == 12);

struct Xsdt { // 5.2.8
    Header header;
    u64 entries[4];
};

struct Fadt { // 5.2.9; what is not named is zero
    Header header;
    u32 firmware_ctrl;
    u32 dsdt;
    u8 reserved_44[32];
    u32 pm_tmr_blk;
    u8 reserved_80[11];
    u8 pm_tmr_len;
    u8 reserved_92[4];
    u16 p_lvl2_lat;
    u16 p_lvl3_lat;
    u8 reserved_100[9];
    u16 iapc_boot_arch;
    u8 reserved_111;
    u32 flags;
    GenericAddress reset_reg;
    u8 reset_value;
    u16 arm_boot_arch;
    u8 minor_version;
    u64 x_firmware_ctrl;
    u64 x_dsdt;
    u8 reserved_148[60];
    GenericAddress x_pm_tmr_blk;
    u8 reserved_220[24];
    GenericAddress sleep_control_reg;
    GenericAddress sleep_status_reg;
    char hypervisor_vendor_identity[8];
};
static_assert(sizeof(Fadt) == 276);
static_assert(offsetof(Fadt, pm_tmr_blk) == 76 && offsetof(Fadt, pm_tmr_len) == 91);
static_assert(offsetof(Fadt, p_lvl2_lat) == 96 && offsetof(Fadt, iapc_boot_arch) == 109);
static_assert(offsetof(Fadt, flags) == 112 && offsetof(Fadt, reset_reg) == 116);
static_assert(offsetof(Fadt, x_dsdt) == 140 && offsetof(Fadt, x_pm_tmr_blk) == 208);
static_assert(offsetof(Fadt, sleep_control_reg) == 244);

struct Madt { // 5.2.12
    Header header;
    u32 local_apic_address;
    u32 flags;
};

struct LocalApic { // 5.2.12.2
    u8 type = 0;
    u8 length = 8;
    u8 acpi_processor_uid;
    u8 apic_id;
    u32 flags = 1; // enabled
};
static_assert(sizeof(LocalApic) == 8);

struct IoApicEntry { // 5.2.12.3
    u8 type = 1;
    u8 length = 12;
    u8 io_apic_id;
    u8 reserved;
    u32 io_apic_address;
    u32 global_system_interrupt_base;
};
static_assert(sizeof(IoApicEntry) == 12);

struct LocalX2Apic { // 5.2.12.12
    u8 type = 9;
    u8 length = 16;
    u16 reserved;
    u32 x2apic_id;
    u32 flags = 1;
    u32 acpi_processor_uid;
};
static_assert(sizeof(LocalX2Apic) == 16);

struct Spcr {
    Header header;
    u8 interface_type; // 0: full 16550
    u8 reserved_37[3];
    GenericAddress base_address;
    u8 interrupt_type; // bit 1: I/O APIC
    u8 irq;
    u32 global_system_interrupt;
    u8 baud_rate; // 7: 115200
    u8 parity;
    u8 stop_bits;
    u8 flow_control;
    u8 terminal_type; // 3: ANSI
    u8 language;
    u16 pci_device_id; // 0xffff: no PCI device
    u16 pci_vendor_id;
    u8 reserved_68[12];
};
static_assert(sizeof(Spcr) == 80);
static_assert(offsetof(Spcr, global_system_interrupt) == 54 && offsetof(Spcr, pci_device_id) == 64);

struct Wdat {
    Header header;
    u32 header_length; // of what follows up to the entries, its own 4 bytes included
    u16 pci_segment;   // 0xff, and the next three: no PCI device
    u8 pci_bus;
    u8 pci_device;
    u8 pci_function;
    u8 reserved_45[3];
    u32 timer_period; // milliseconds
    u32 max_count;
    u32 min_count;
    u8 flags; // bit 0: enabled
    u8 reserved_61[3];
    u32 entries;
};
static_assert(sizeof(Wdat) == 68 && offsetof(Wdat, timer_period) == 48 && offsetof(Wdat, entries) == 64);

struct WdatEntry {
    u8 action;
    u8 instruction;
    u16 reserved_2 = 0;
    GenericAddress register_region;
    u32 value = 0;
    u32 mask = ~0u;
};
static_assert(sizeof(WdatEntry) == 24);

#pragma pack(pop)

// 5.2.9, table 5.10 and 5.2.9.3, table 5.11
inline constexpr u32 WBINVD = 1 << 0, PWR_BUTTON = 1 << 4, SLP_BUTTON = 1 << 5, TMR_VAL_EXT = 1 << 8,
                     RESET_REG_SUP = 1 << 10, HW_REDUCED_ACPI = 1 << 20;
inline constexpr u16 VGA_NOT_PRESENT = 1 << 2, CMOS_RTC_NOT_PRESENT = 1 << 5;

} // namespace bulkhead::acpi_layout
