// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "arch/x86_64/hardware.hpp"
#include "boot/acpi_platform.hpp"
#include "boot/identity_map.hpp"
#include "boot/machine.hpp"
#include "boot/memory.hpp"
#include "boot/open_screen.hpp"
#include "boot/survey.hpp"
#include "boot/topology.hpp"
#include "survey/acpi.hpp"
#include "survey/memory.hpp"
#include "survey/pci.hpp"
#include "survey/processor.hpp"
#include "survey/serial.hpp"
#include "survey/smbios.hpp"

namespace bulkhead::boot {

namespace {

using survey::Inventory;
using survey::Known;

constexpr u64 max_tables = decltype(Inventory::tables)::capacity();
using Tables = StaticVector<acpi::Bytes, max_tables>;

/// What can be read of the table at `address`: at least its header, or nothing.
acpi::Bytes readable_table(const IdentityMap& memory, HostPhysical address) {
    const acpi::Bytes header = memory.bytes(address, acpi::header_size);
    const u32 length = acpi::field<u32>(header, 4);
    if (header.empty() || length < acpi::header_size || length > acpi::max_table_size)
        return header;
    const acpi::Bytes whole = memory.bytes(address, length);
    return whole.empty() ? header : whole;
}

/// ACPI 6.5 5.2.7, 5.2.8: the tables that the root table names.
void list_tables(Inventory& inventory, const IdentityMap& memory, Tables& tables, acpi::Bytes root, u64 width) {
    for (u64 at = acpi::header_size; root.size() - at >= width; at += width) {
        const HostPhysical address{width == 8 ? acpi::field<u64>(root, at) : acpi::field<u32>(root, at)};
        const acpi::Bytes table = readable_table(memory, address);
        if (table.empty())
            inventory.note("ACPI", "the firmware does not map a table, at", address.value);
        else
            inventory.add(tables, table, "ACPI tables");
    }
}

void find_tables(const Firmware& firmware, Inventory& inventory, Tables& tables) {
    const IdentityMap memory;
    const HostPhysical rsdp = configuration_table(firmware, ACPI_20_TABLE_GUID, ACPI_TABLE_GUID);
    const auto roots = acpi::parse_rsdp(memory.bytes(rsdp, acpi::rsdp_size));
    if (!roots)
        return inventory.note("ACPI", rsdp.value == 0 ? "the firmware has no tables" : roots.error().what, rsdp.value);
    if (const auto xsdt = acpi::read_table(memory, roots->xsdt, "XSDT"))
        list_tables(inventory, memory, tables, *xsdt, 8);
    else if (const auto rsdt = acpi::read_table(memory, roots->rsdt, "RSDT"))
        list_tables(inventory, memory, tables, *rsdt, 4);
    else
        inventory.note("ACPI", "neither XSDT nor RSDT is right", roots->xsdt.value);
}

/// What MCFG lists, in `storage`.
std::span<EcamInfo> find_ecam(const Tables& tables, std::span<EcamInfo> storage) {
    for (const acpi::Bytes table : tables)
        if (const auto mcfg = acpi::check_table(table, "MCFG"))
            return acpi::parse_mcfg(*mcfg, storage);
    return {};
}

void survey_processors(Inventory& inventory, const Tables& tables) {
    const u32 own = own_apic_id(arch::this_cpuid);
    survey::survey_processor(inventory, arch::this_cpuid);
    survey::survey_msrs(inventory, arch::this_cpuid, arch::read_msr);
    survey::survey_acpi(inventory, tables.span(), own);
    if (inventory.cpus.empty())
        inventory.add(inventory.cpus, {.apic_id = own}, "CPUs");
    survey::apply_topology(inventory, arch::this_cpuid);
}

void survey_firmware_map(const Firmware& firmware, Inventory& inventory) {
    FirmwareMemory memory(firmware);
    if (const auto prepared = memory.prepare(); !prepared)
        return inventory.note("memory map", prepared.error().what, prepared.error().value);
    const auto map = memory.map();
    if (!map)
        return inventory.note("memory map", map.error().what, map.error().value);
    survey::survey_memory(inventory, *map);
}

void survey_board(const Firmware& firmware, Inventory& inventory) {
    constexpr u64 entry_size = 32, max_size = 64 * KiB;
    const IdentityMap memory;
    const HostPhysical entry = configuration_table(firmware, SMBIOS3_TABLE_GUID, SMBIOS_TABLE_GUID);
    if (entry.value == 0)
        return inventory.note("SMBIOS", "the firmware has none");
    const auto table = survey::parse_smbios_entry(memory.bytes(entry, entry_size));
    if (!table)
        return inventory.note("SMBIOS", table.error().what, entry.value);
    const auto structures = memory.bytes(table->address, std::min(table->size, max_size));
    if (structures.empty())
        return inventory.note("SMBIOS", "the firmware does not map its structures, at", table->address.value);
    survey::survey_smbios(inventory, structures);
}

survey::FixedText<48> narrow(const CHAR16* text) {
    char buffer[48];
    std::size_t size = 0;
    for (; text != nullptr && text[size] != 0 && size < sizeof buffer; ++size)
        buffer[size] = text[size] < 0x80 ? static_cast<char>(text[size]) : '?';
    return std::string_view(buffer, size);
}

void survey_firmware(const Firmware& firmware, Inventory& inventory) {
    constexpr u64 cr4_la57 = 1u << 12;
    survey::FirmwareFacts& facts = inventory.firmware;
    facts.vendor = narrow(firmware.table->FirmwareVendor);
    facts.revision = firmware.table->FirmwareRevision;
    facts.uefi = firmware.table->Hdr.Revision;
    facts.is_uefi = Known::Yes;
    facts.secure_boot = secure_boot(firmware) ? Known::Yes : Known::No;
    facts.screen = read_framebuffer(firmware);
    facts.can_show_text = can_show_text(facts.screen);
    facts.five_level_paging = (arch::read_cr4() & cr4_la57) != 0;
}

} // namespace

void survey_machine(const Firmware& firmware, Inventory& inventory) {
    static Tables tables;
    static std::array<EcamInfo, 64> ecam;
    arch::CpuPorts ports;
    inventory.source = survey::Source::Loader;
    find_tables(firmware, inventory, tables);
    survey_processors(inventory, tables);
    survey_firmware_map(firmware, inventory);
    survey::probe_com_ports(inventory, ports);
    survey_pci(firmware, inventory, find_ecam(tables, ecam));
    survey_board(firmware, inventory);
    survey_firmware(firmware, inventory);
    survey::judge(inventory, arch::this_cpuid);
}

} // namespace bulkhead::boot
