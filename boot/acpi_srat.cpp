// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "boot/acpi_srat.hpp"

#include <limits>

namespace bulkhead::acpi {

namespace {

/// ACPI 6.5 5.2.16.1 to 5.2.16.3, the types that are of use here.
enum EntryType : u8 {
    LocalApic = 0,
    Memory = 1,
    LocalX2Apic = 2,
};

constexpr u64 first_entry = 48;
constexpr u32 enabled = 1; ///< in the flags of all three

/// 0 for types that are not read.
constexpr u64 size_of(u8 type) {
    switch (type) {
    case LocalApic:
        return 16;
    case Memory:
        return 40;
    case LocalX2Apic:
        return 24;
    }
    return 0;
}

template <class Visit> void for_each_entry(Bytes table, Visit visit) {
    for (u64 at = first_entry; at + 2 <= table.size();) {
        const u8 type = field<u8>(table, at);
        const u8 length = field<u8>(table, at + 1);
        if (length < 2 || length > table.size() - at)
            return; // nothing says where the next one begins
        if (size_of(type) != 0 && length >= size_of(type))
            visit(type, table.subspan(at, length));
        at += length;
    }
}

void set_node(std::span<CpuInfo> cpus, u32 apic_id, u32 node) {
    for (CpuInfo& cpu : cpus)
        if (cpu.apic_id == apic_id)
            cpu.node = node;
}

/// The upper three bytes of the domain are reserved in a table of revision 1.
u32 domain_of_local_apic(Bytes table, Bytes entry) {
    const u8 revision = field<u8>(table, 8);
    const u32 upper = field<u32>(entry, 8) >> 8; // behind the byte of the SAPIC's EID
    return field<u8>(entry, 2) | (revision >= 2 ? upper << 8 : 0);
}

void add_memory(Bytes entry, std::span<NodeMemory> storage, u64& used) {
    const NodeMemory memory{{{field<u64>(entry, 8)}, field<u64>(entry, 16)}, field<u32>(entry, 2)};
    const bool wraps = memory.range.size > std::numeric_limits<u64>::max() - memory.range.start.value;
    if (memory.range.size != 0 && !wraps && used < storage.size())
        storage[used++] = memory;
}

} // namespace

u64 count_srat_memory(Bytes table) {
    u64 count = 0;
    for_each_entry(table, [&](u8 type, Bytes) { count += type == Memory; });
    return count;
}

std::span<NodeMemory> parse_srat(Bytes table, std::span<CpuInfo> cpus, std::span<NodeMemory> storage) {
    u64 used = 0;
    for_each_entry(table, [&](u8 type, Bytes entry) {
        if (type == LocalApic && (field<u32>(entry, 4) & enabled) != 0)
            set_node(cpus, field<u8>(entry, 3), domain_of_local_apic(table, entry));
        else if (type == LocalX2Apic && (field<u32>(entry, 12) & enabled) != 0)
            set_node(cpus, field<u32>(entry, 8), field<u32>(entry, 4));
        else if (type == Memory && (field<u32>(entry, 28) & enabled) != 0)
            add_memory(entry, storage, used);
    });
    return storage.first(used);
}

} // namespace bulkhead::acpi
