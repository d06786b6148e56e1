// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "firmware/machine_tables.hpp"

#include <algorithm>
#include <cstddef>

namespace bulkhead::firmware {
namespace {

/// The byte that makes all bytes add up to 0 (ACPI 6.5 5.2.3); its own place holds 0 until then.
u8 checksum_of(const void* start, u64 size) {
    u8 sum = 0;
    for (const u8 byte : std::span(static_cast<const u8*>(start), size))
        sum = static_cast<u8>(sum + byte);
    return static_cast<u8>(-sum);
}

TableHeader header(std::array<char, 4> signature, u64 length, u8 revision) {
    return {.signature = signature,
            .length = static_cast<u32>(length),
            .revision = revision,
            .checksum = 0,
            .oem_id = {'B', 'U', 'L', 'K', 'H', 'D'},
            .oem_table_id = {'B', 'O', 'C', 'H', 'S', ' ', ' ', ' '},
            .oem_revision = 1,
            .creator_id = 0x4b4c'5542,
            .creator_revision = 1};
}

void seal(TableHeader& table) { table.checksum = checksum_of(&table, table.length); }

GenericAddress port(u64 address, u8 bits, u8 access_size) {
    return {.address_space = 1,
            .register_bit_width = bits,
            .register_bit_offset = 0,
            .access_size = access_size,
            .address = address};
}

/// PIIX4 datasheet 7.2: PMSTS and PMEN at PMBA + 0, PMCNTRL at + 4, PMTMR at + 8. There is no SMI handler: it is in
/// ACPI mode.
Fadt fadt(const MachineParts& parts, u64 facs, u64 dsdt) {
    constexpr u32 wbinvd = 1u << 0;
    constexpr u32 proc_c1 = 1u << 2;
    constexpr u32 reset_reg_sup = 1u << 10;
    constexpr u64 reset_control = 0xcf9; // PIIX4 datasheet 4.2.6.1
    const u16 events = parts.pm_base;
    const auto control = static_cast<u16>(parts.pm_base + 4);
    const auto timer = static_cast<u16>(parts.pm_base + 8);

    Fadt table{};
    table.header = header({'F', 'A', 'C', 'P'}, sizeof table, 3);
    table.firmware_control = static_cast<u32>(facs);
    table.dsdt = static_cast<u32>(dsdt);
    table.sci_interrupt = 9;
    table.pm1a_event_block = events;
    table.pm1a_control_block = control;
    table.pm_timer_block = timer;
    table.pm1_event_length = 4;
    table.pm1_control_length = 2;
    table.pm_timer_length = 4;
    table.c2_latency = 0xffff; // neither C2 nor C3
    table.c3_latency = 0xffff;
    table.century = 0x32;
    table.boot_architecture = 3; // LEGACY_DEVICES, 8042
    table.flags = wbinvd | proc_c1 | reset_reg_sup;
    table.reset_register = port(reset_control, 8, 1);
    table.reset_value = 6;
    table.x_dsdt = dsdt;
    table.x_pm1a_event_block = port(events, 32, 2);
    table.x_pm1a_control_block = port(control, 16, 2);
    table.x_pm_timer_block = port(timer, 32, 3);
    return table;
}

/// The timer of the PIT is at pin 2; the SCI is level-triggered. An I/O APIC's pins are interrupts 0 to 23.
Madt madt(std::span<const u8> apic_ids) {
    constexpr u32 pcat_compat = 1;
    constexpr u16 active_high_level = 0xd;
    const u64 count = std::min<u64>(apic_ids.size(), max_processors);
    u8 highest = 0;

    Madt table{};
    for (u64 i = 0; i < count; ++i) {
        table.local_apics[i] = {
            .type = 0, .length = 8, .processor = static_cast<u8>(i), .apic_id = apic_ids[i], .flags = 1};
        highest = std::max(highest, apic_ids[i]);
    }
    table.header = header({'A', 'P', 'I', 'C'}, offsetof(Madt, local_apics) + count * sizeof(MadtLocalApic), 3);
    table.local_apic_address = 0xfee0'0000;
    table.flags = pcat_compat;
    table.io_apic = {.type = 1,
                     .length = sizeof(MadtIoApic),
                     .id = static_cast<u8>(highest + 1),
                     .reserved = 0,
                     .address = 0xfec0'0000,
                     .first_interrupt = 0};
    table.overrides[0] = {.type = 2, .length = sizeof(MadtOverride), .bus = 0, .source = 0, .interrupt = 2, .flags = 0};
    table.overrides[1] = {
        .type = 2, .length = sizeof(MadtOverride), .bus = 0, .source = 9, .interrupt = 9, .flags = active_high_level};
    return table;
}

/// Name (\_S5, Package (4) {Zero, Zero, Zero, Zero}): the SLP_TYP for power-off (ACPI 6.5 7.4.2.6, 20.2).
constexpr std::array<u8, 12> aml{0x08, '_', 'S', '5', '_', 0x12, 0x06, 0x04, 0x00, 0x00, 0x00, 0x00};

} // namespace

void build_tables(MachineTables& tables, u64 address, const MachineParts& parts) {
    const auto at = [address](u64 offset) { return address + offset; };
    tables = {};
    tables.facs.signature = {'F', 'A', 'C', 'S'};
    tables.facs.length = sizeof(Facs);
    tables.facs.version = 1;
    tables.dsdt = {.header = header({'D', 'S', 'D', 'T'}, sizeof(Dsdt), 2), .aml = aml};
    tables.fadt = fadt(parts, at(offsetof(MachineTables, facs)), at(offsetof(MachineTables, dsdt)));
    tables.madt = madt(parts.apic_ids);
    tables.xsdt = {.header = header({'X', 'S', 'D', 'T'}, sizeof(Xsdt), 1),
                   .entries = {at(offsetof(MachineTables, fadt)), at(offsetof(MachineTables, madt))}};
    seal(tables.dsdt.header);
    seal(tables.fadt.header);
    seal(tables.madt.header);
    seal(tables.xsdt.header);

    constexpr u64 first_part = 20;
    tables.rsdp = {.signature = {'R', 'S', 'D', ' ', 'P', 'T', 'R', ' '},
                   .checksum = 0,
                   .oem_id = {'B', 'U', 'L', 'K', 'H', 'D'},
                   .revision = 2,
                   .rsdt_address = 0,
                   .length = sizeof(Rsdp),
                   .xsdt_address = at(offsetof(MachineTables, xsdt)),
                   .extended_checksum = 0,
                   .reserved = {}};
    tables.rsdp.checksum = checksum_of(&tables.rsdp, first_part);
    tables.rsdp.extended_checksum = checksum_of(&tables.rsdp, sizeof(Rsdp));
}

} // namespace bulkhead::firmware
