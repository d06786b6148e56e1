// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "survey/acpi.hpp"

#include <algorithm>

#include "boot/acpi_madt.hpp"
#include "boot/acpi_platform.hpp"
#include "boot/acpi_srat.hpp"

namespace bulkhead::survey {

namespace {

using acpi::Bytes;
using acpi::field;

std::string_view text_at(Bytes table, u64 offset, u64 size) {
    if (table.size() < offset + size)
        return {};
    const std::string_view text(reinterpret_cast<const char*>(table.data() + offset), size);
    return text.substr(0, text.find('\0'));
}

/// ACPI 6.5 5.2.6. True if the whole table is there.
bool list_table(Inventory& inventory, Bytes table) {
    const u32 length = field<u32>(table, 4);
    const bool whole = table.size() >= acpi::header_size && length >= acpi::header_size && length <= table.size();
    AcpiTable listed{.signature = text_at(table, 0, 4),
                     .length = length,
                     .revision = field<u8>(table, 8),
                     .oem = text_at(table, 10, 6),
                     .oem_table = text_at(table, 16, 8),
                     .right = whole && acpi::checksum_is_right(table.first(length))};
    Line<32> name;
    name << "ACPI " << (listed.signature.empty() ? std::string_view("table") : listed.signature.view());
    if (!whole)
        inventory.note(name.view(), "its length is impossible, or it cannot be read as a whole", length);
    else if (!listed.right)
        inventory.note(name.view(), "its checksum is wrong");
    inventory.add(inventory.tables, listed, "ACPI tables");
    return listed.right;
}

void survey_madt(Inventory& inventory, Bytes table, u32 first_cpu) {
    static std::array<CpuInfo, max_cpus> cpus; // too large for a stack
    std::array<IoApicInfo, 64> io_apics;
    std::array<InterruptOverride, 64> overrides;
    const acpi::Madt madt = acpi::parse_madt(table, {cpus, io_apics, overrides});
    if (madt.damaged)
        inventory.note("ACPI APIC", "an entry is damaged, or there are more than there is room for; left out");
    if (!acpi::put_first(madt.cpus, first_cpu))
        inventory.note("ACPI APIC", "it does not list the processor that runs, APIC ID", first_cpu);
    inventory.cpus.clear();
    for (const CpuInfo& cpu : madt.cpus)
        inventory.add(inventory.cpus, cpu, "CPUs");
    inventory.firmware.has_8259 = madt.has_8259;
    inventory.firmware.io_apics = static_cast<u32>(madt.io_apics.size());
}

/// After the MADT.
void survey_srat(Inventory& inventory, Bytes table) {
    std::array<NodeMemory, decltype(Inventory::nodes)::capacity()> nodes;
    for (const NodeMemory& node : acpi::parse_srat(table, inventory.cpus.span(), nodes))
        inventory.add(inventory.nodes, node, "NUMA nodes");
    if (acpi::count_srat_memory(table) > nodes.size())
        inventory.note("NUMA nodes", Inventory::no_room, acpi::count_srat_memory(table) - nodes.size());
}

} // namespace

void survey_acpi(Inventory& inventory, std::span<const Bytes> tables, u32 first_cpu) {
    Bytes srat;
    for (const Bytes readable : tables) {
        if (!list_table(inventory, readable))
            continue;
        const Bytes table = readable.first(field<u32>(readable, 4));
        const std::string_view signature = text_at(table, 0, 4);
        if (signature == "APIC")
            survey_madt(inventory, table, first_cpu);
        else if (signature == "SRAT")
            srat = table;
        else if (signature == "MCFG")
            inventory.firmware.pci_segments = static_cast<u32>(acpi::count_mcfg(table));
        else if (signature == "DMAR")
            survey_dmar(inventory, table);
        else if (signature == "IVRS")
            survey_ivrs(inventory, table);
        else if (signature == "SPCR")
            survey_spcr(inventory, table);
        else if (signature == "DBG2")
            survey_dbg2(inventory, table);
    }
    if (!srat.empty())
        survey_srat(inventory, srat);
}

} // namespace bulkhead::survey
