// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "survey/memory.hpp"

#include <algorithm>

#include "boot/acpi.hpp"

namespace bulkhead::survey {

namespace {

constexpr std::string_view names[] = {"free",    "boot-services", "loader",   "reserved",   "acpi",      "acpi-nvs",
                                      "runtime", "mmio",          "unusable", "persistent", "unaccepted"};

/// UEFI 2.10 table 7.10, EFI_MEMORY_TYPE.
constexpr MemoryKind kinds[] = {
    MemoryKind::Reserved,     MemoryKind::Loader,   MemoryKind::Loader,     MemoryKind::BootServices,
    MemoryKind::BootServices, MemoryKind::Runtime,  MemoryKind::Runtime,    MemoryKind::Free,
    MemoryKind::Unusable,     MemoryKind::Acpi,     MemoryKind::AcpiNvs,    MemoryKind::Mmio,
    MemoryKind::Mmio,         MemoryKind::Reserved, MemoryKind::Persistent, MemoryKind::Unaccepted};

/// Adds a piece to the one before it, where that ends here and is of the same kind.
bool extend(MemoryPiece& last, const MemoryPiece& piece) {
    if (last.kind != piece.kind || last.range.start + last.range.size != piece.range.start)
        return false;
    last.range.size += piece.range.size;
    return true;
}

} // namespace

void add_memory(Inventory& inventory, PhysicalRange range, MemoryKind kind) {
    if (range.size == 0)
        return;
    if (range.start.value + range.size < range.start.value)
        return inventory.note("memory map", "a range reaches beyond all addresses, from", range.start.value);
    const MemoryPiece piece{.range = range, .kind = kind};
    if (inventory.memory.empty() || !extend(inventory.memory.back(), piece))
        inventory.add(inventory.memory, piece, "memory map");
}

void sort_memory(Inventory& inventory) {
    std::ranges::sort(inventory.memory, {}, [](const MemoryPiece& piece) { return piece.range.start.value; });
    std::size_t used = 0;
    for (std::size_t i = 0; i < inventory.memory.size(); ++i) {
        const MemoryPiece& piece = inventory.memory[i];
        if (used == 0 || !extend(inventory.memory[used - 1], piece))
            inventory.memory[used++] = piece;
    }
    while (inventory.memory.size() > used)
        inventory.memory.pop_back();
}

void survey_memory(Inventory& inventory, const boot::FirmwareMap& map) {
    for (u64 i = 0; i < map.count(); ++i) {
        const auto descriptor = map.bytes.subspan(i * map.stride, map.stride);
        const u32 type = acpi::field<u32>(descriptor, 0);
        const u64 pages = acpi::field<u64>(descriptor, 24);
        if (type >= std::size(kinds))
            inventory.note("memory map", "memory of a type that is not known", type);
        if (pages > (~u64{0} >> 12))
            inventory.note("memory map", "a range of more pages than there can be", pages);
        else
            add_memory(inventory, {{acpi::field<u64>(descriptor, 8)}, pages * page_size},
                       type < std::size(kinds) ? kinds[type] : MemoryKind::Reserved);
    }
    sort_memory(inventory);
}

std::string_view name_of(MemoryKind kind) { return names[static_cast<std::size_t>(kind)]; }

bool memory_kind_of(std::string_view name, MemoryKind& kind) {
    const auto* found = std::ranges::find(names, name);
    if (found == std::end(names))
        return false;
    kind = static_cast<MemoryKind>(found - std::begin(names));
    return true;
}

u64 free_bytes(const Inventory& inventory) {
    u64 sum = 0;
    for (const MemoryPiece& piece : inventory.memory)
        sum += piece.kind == MemoryKind::Free ? piece.range.size : 0;
    return sum;
}

} // namespace bulkhead::survey
