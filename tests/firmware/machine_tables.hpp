// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// The ACPI tables of the machine that Bochs emulates, an i440FX with a PIIX4, as its firmware should have given them.
#pragma once

#include <array>
#include <cstddef>
#include <span>

#include "base/types.hpp"

namespace bulkhead::firmware {

/// Bochs emulates at most so many logical processors with xAPICs. More in a MachineParts are left out.
inline constexpr u64 max_processors = 64;

/// What differs from run to run.
struct MachineParts {
    u16 pm_base = 0;                ///< I/O port of the PIIX4's power management registers (PMBA)
    std::span<const u8> apic_ids{}; ///< of all processors, the one that boots first
};

#pragma pack(push, 1)

/// ACPI 6.5 5.2.6.
struct TableHeader {
    std::array<char, 4> signature;
    u32 length;
    u8 revision;
    u8 checksum;
    std::array<char, 6> oem_id;
    std::array<char, 8> oem_table_id;
    u32 oem_revision;
    u32 creator_id;
    u32 creator_revision;
};
static_assert(sizeof(TableHeader) == 36);

/// ACPI 6.5 5.2.5.3.
struct Rsdp {
    std::array<char, 8> signature;
    u8 checksum; ///< of the first 20 bytes
    std::array<char, 6> oem_id;
    u8 revision;
    u32 rsdt_address;
    u32 length;
    u64 xsdt_address;
    u8 extended_checksum;
    std::array<u8, 3> reserved;
};
static_assert(sizeof(Rsdp) == 36);

struct Xsdt {
    TableHeader header;
    std::array<u64, 2> entries; ///< FADT, MADT
};

/// ACPI 6.5 5.2.3.2, the Generic Address Structure.
struct GenericAddress {
    u8 address_space; ///< 1: I/O ports
    u8 register_bit_width;
    u8 register_bit_offset;
    u8 access_size; ///< 1: bytes, 2: words, 3: double words
    u64 address;
};

/// ACPI 6.5 5.2.9; this is revision 3, 244 bytes.
struct Fadt {
    TableHeader header;
    u32 firmware_control;
    u32 dsdt;
    u8 reserved_44;
    u8 preferred_pm_profile;
    u16 sci_interrupt;
    u32 smi_command;
    std::array<u8, 4> smi_values; ///< ACPI_ENABLE, ACPI_DISABLE, S4BIOS_REQ, PSTATE_CNT
    u32 pm1a_event_block;
    u32 pm1b_event_block;
    u32 pm1a_control_block;
    u32 pm1b_control_block;
    u32 pm2_control_block;
    u32 pm_timer_block;
    u32 gpe0_block;
    u32 gpe1_block;
    u8 pm1_event_length;
    u8 pm1_control_length;
    u8 pm2_control_length;
    u8 pm_timer_length;
    std::array<u8, 4> gpe_and_cst; ///< GPE0_BLK_LEN, GPE1_BLK_LEN, GPE1_BASE, CST_CNT
    u16 c2_latency;
    u16 c3_latency;
    std::array<u16, 2> flush; ///< FLUSH_SIZE, FLUSH_STRIDE
    std::array<u8, 2> duty;   ///< DUTY_OFFSET, DUTY_WIDTH
    std::array<u8, 2> alarms; ///< DAY_ALRM, MON_ALRM
    u8 century;
    u16 boot_architecture;
    u8 reserved_111;
    u32 flags;
    GenericAddress reset_register;
    u8 reset_value;
    std::array<u8, 3> arm_and_minor;
    u64 x_firmware_control;
    u64 x_dsdt;
    GenericAddress x_pm1a_event_block;
    GenericAddress x_pm1b_event_block;
    GenericAddress x_pm1a_control_block;
    GenericAddress x_pm1b_control_block;
    GenericAddress x_pm2_control_block;
    GenericAddress x_pm_timer_block;
    GenericAddress x_gpe0_block;
    GenericAddress x_gpe1_block;
};
static_assert(sizeof(Fadt) == 244 && offsetof(Fadt, flags) == 112 && offsetof(Fadt, x_dsdt) == 140);

/// ACPI 6.5 5.2.10.
struct Facs {
    std::array<char, 4> signature;
    u32 length;
    u32 hardware_signature;
    u32 waking_vector;
    u32 global_lock;
    u32 flags;
    u64 x_waking_vector;
    u8 version;
    std::array<u8, 31> reserved;
};
static_assert(sizeof(Facs) == 64);

/// ACPI 6.5 5.2.12.3.
struct MadtIoApic {
    u8 type, length, id, reserved;
    u32 address;
    u32 first_interrupt;
};

/// ACPI 6.5 5.2.12.5.
struct MadtOverride {
    u8 type, length, bus, source;
    u32 interrupt;
    u16 flags;
};

/// ACPI 6.5 5.2.12.2.
struct MadtLocalApic {
    u8 type, length, processor, apic_id;
    u32 flags;
};

/// ACPI 6.5 5.2.12. The processors are last: the table ends with the last one that there is.
struct Madt {
    TableHeader header;
    u32 local_apic_address;
    u32 flags;
    MadtIoApic io_apic;
    std::array<MadtOverride, 2> overrides;
    std::array<MadtLocalApic, max_processors> local_apics;
};

struct Dsdt {
    TableHeader header;
    std::array<u8, 12> aml;
};

#pragma pack(pop)

/// All of them, to be laid out in memory that stays: they point to one another.
struct MachineTables {
    alignas(64) Facs facs; // ACPI 6.5 5.2.10: on a 64-byte boundary
    alignas(16) Rsdp rsdp;
    alignas(16) Xsdt xsdt;
    alignas(16) Fadt fadt;
    alignas(16) Madt madt;
    alignas(16) Dsdt dsdt;
};

/// Fills in `tables`, which lie below 4 GiB at the physical address `address`.
void build_tables(MachineTables& tables, u64 address, const MachineParts& parts);

} // namespace bulkhead::firmware
