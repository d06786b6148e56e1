// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "firmware/absent_processors.hpp"

#include <algorithm>
#include <cstring>

#include "firmware/machine_tables.hpp"

namespace bulkhead::firmware {
namespace {

using boot::at_physical;
using boot::failed;
using boot::Firmware;

const Rsdp* root_pointer(const Firmware& firmware) {
    constexpr EFI_GUID wanted = ACPI_20_TABLE_GUID;
    for (UINTN i = 0; i < firmware.table->NumberOfTableEntries; ++i) {
        const EFI_CONFIGURATION_TABLE& each = firmware.table->ConfigurationTable[i];
        if (std::memcmp(&each.VendorGuid, &wanted, sizeof wanted) == 0)
            return static_cast<const Rsdp*>(each.VendorTable);
    }
    return nullptr;
}

TableHeader* find_table(const Firmware& firmware, const char (&signature)[5]) {
    const Rsdp* root = root_pointer(firmware);
    if (root == nullptr)
        return nullptr;
    const auto* xsdt = at_physical<const TableHeader>({root->xsdt_address});
    for (u64 at = sizeof(TableHeader); at + sizeof(u64) <= xsdt->length; at += sizeof(u64)) {
        u64 address = 0;
        std::memcpy(&address, reinterpret_cast<const u8*>(xsdt) + at, sizeof address);
        auto* table = at_physical<TableHeader>({address});
        if (std::memcmp(&table->signature, signature, sizeof table->signature) == 0)
            return table;
    }
    return nullptr;
}

} // namespace

bool has_file(const Firmware& firmware, std::u16string_view path) {
    char16_t name[64]{};
    if (path.size() >= std::size(name))
        return false;
    std::ranges::copy(path, name);
    const auto* self = boot::protocol_on<EFI_LOADED_IMAGE_PROTOCOL>(firmware, firmware.image, LOADED_IMAGE_PROTOCOL);
    auto* volume = self == nullptr ? nullptr
                                   : boot::protocol_on<EFI_SIMPLE_FILE_SYSTEM_PROTOCOL>(firmware, self->DeviceHandle,
                                                                                        SIMPLE_FILE_SYSTEM_PROTOCOL);
    EFI_FILE_PROTOCOL *root = nullptr, *file = nullptr;
    if (volume == nullptr || failed(volume->OpenVolume(volume, &root)) ||
        failed(root->Open(root, &file, reinterpret_cast<CHAR16*>(name), EFI_FILE_MODE_READ, 0)))
        return false;
    file->Close(file);
    return true;
}

bool has_tables(const Firmware& firmware) { return root_pointer(firmware) != nullptr; }

bool enable_absent_processors(const Firmware& firmware) {
    constexpr u64 first_entry = 44; // ACPI 6.5 5.2.12: behind the local APIC's address and the flags
    TableHeader* madt = find_table(firmware, "APIC");
    if (madt == nullptr)
        return false;
    bool found = false;
    auto* bytes = reinterpret_cast<u8*>(madt);
    for (u64 at = first_entry; at + sizeof(MadtLocalApic) <= madt->length && bytes[at + 1] != 0; at += bytes[at + 1]) {
        auto* processor = reinterpret_cast<MadtLocalApic*>(bytes + at);
        if (processor->type != 0 || (processor->flags & 1) != 0)
            continue;
        processor->flags |= 1;
        --madt->checksum; // all bytes add up to 0, as before
        found = true;
    }
    return found;
}

} // namespace bulkhead::firmware
