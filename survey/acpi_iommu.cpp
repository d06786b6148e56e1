// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// DMAR (VT-d 5.1 chapter 8) and IVRS (AMD IOMMU 3.07 chapter 5): IOMMUs and the memory that firmware goes on using.
#include <algorithm>

#include "survey/acpi.hpp"

namespace bulkhead::survey {

namespace {

using acpi::Bytes;
using acpi::field;

constexpr u64 first_structure = 48; // of both tables

PciAddress address_of(u16 segment, u16 device_id) {
    return {.segment = segment,
            .bus = static_cast<u8>(device_id >> 8),
            .device = static_cast<u8>(device_id >> 3 & 0x1f),
            .function = static_cast<u8>(device_id & 7)};
}

void add_iommu(Inventory& inventory, const Iommu& found, std::string_view part) {
    const auto same = [&](const Iommu& one) { return one.base == found.base && one.segment == found.segment; };
    if (found.base.value == 0)
        inventory.note(part, "an IOMMU whose registers are at address 0");
    else if (const auto* known = std::ranges::find_if(inventory.iommus, same); known == inventory.iommus.end())
        inventory.add(inventory.iommus, found, "IOMMUs");
}

void add_reserve(Inventory& inventory, u64 start, u64 size, bool amd, std::string_view part) {
    if (size == 0 || start + size < start)
        inventory.note(part, "a range of memory that is empty or reaches beyond all addresses, at", start);
    else
        inventory.add(inventory.dma_reserves, {.range = {{start}, size}, .amd = amd}, "reserved DMA memory");
}

/// VT-d 5.1 8.3.1: device scope entries.
u32 count_scopes(Inventory& inventory, Bytes structure, u64 first) {
    u32 scopes = 0;
    for (u64 at = first; at + 2 <= structure.size(); ++scopes) {
        const u8 length = field<u8>(structure, at + 1);
        if (length < 6 || length > structure.size() - at) {
            inventory.note("ACPI DMAR", "the length of a device scope is impossible", length);
            break;
        }
        at += length;
    }
    return scopes;
}

void take_remapping(Inventory& inventory, u16 type, Bytes structure) {
    enum : u16 { Drhd, Rmrr, Atsr, Rhsa, Andd, Satc, Sidp };
    constexpr u64 scopes = 16;
    if (type == Drhd)
        add_iommu(inventory,
                  {.base = {field<u64>(structure, 8)},
                   .segment = field<u16>(structure, 6),
                   .all_devices = (field<u8>(structure, 4) & 1) != 0,
                   .scopes = count_scopes(inventory, structure, scopes)},
                  "ACPI DMAR");
    else if (type == Rmrr)
        add_reserve(inventory, field<u64>(structure, 8), field<u64>(structure, 16) - field<u64>(structure, 8) + 1,
                    false, "ACPI DMAR");
    else if (type > Sidp)
        inventory.note("ACPI DMAR", "a structure of a type that is not known", type);
}

void take_block(Inventory& inventory, u8 type, Bytes block) {
    constexpr u8 ivmd_all = 0x20, ivmd_device = 0x21, ivmd_range = 0x22;
    if (type == 0x10 || type == 0x11 || type == 0x40) // generations of IVHD; a unit is in all of them
        add_iommu(inventory,
                  {.amd = true,
                   .base = {field<u64>(block, 8)},
                   .segment = field<u16>(block, 16),
                   .has_address = true,
                   .at = address_of(field<u16>(block, 16), field<u16>(block, 4))},
                  "ACPI IVRS");
    else if (type == ivmd_all || type == ivmd_device || type == ivmd_range)
        add_reserve(inventory, field<u64>(block, 16), field<u64>(block, 24), true, "ACPI IVRS");
    else
        inventory.note("ACPI IVRS", "a block of a type that is not known", type);
}

} // namespace

void survey_dmar(Inventory& inventory, Bytes table) {
    for (u64 at = first_structure; at + 4 <= table.size();) {
        const u16 length = field<u16>(table, at + 2);
        if (length < 4 || length > table.size() - at)
            return inventory.note("ACPI DMAR", "the length of a structure is impossible", length);
        take_remapping(inventory, field<u16>(table, at), table.subspan(at, length));
        at += length;
    }
}

void survey_ivrs(Inventory& inventory, Bytes table) {
    for (u64 at = first_structure; at + 4 <= table.size();) {
        const u16 length = field<u16>(table, at + 2);
        if (length < 4 || length > table.size() - at)
            return inventory.note("ACPI IVRS", "the length of a block is impossible", length);
        take_block(inventory, field<u8>(table, at), table.subspan(at, length));
        at += length;
    }
}

} // namespace bulkhead::survey
