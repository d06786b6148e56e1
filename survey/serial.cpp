// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "survey/serial.hpp"

#include <algorithm>

#include "survey/acpi.hpp"

namespace bulkhead::survey {

namespace {

using acpi::Bytes;
using acpi::field;

/// A Generic Address Structure (ACPI 6.5 table 5.1) of a port that `part` names.
void add_generic(Inventory& inventory, Bytes bytes, SerialSource source, bool is_16550, std::string_view part) {
    constexpr u8 system_memory = 0, system_io = 1;
    const u8 space = field<u8>(bytes, 0);
    const u64 address = field<u64>(bytes, 4);
    if (bytes.size() < 12 || space > system_io)
        return inventory.note(part, "a port in an address space that is not known", space);
    if (address == 0) // SPCR: "console redirection is disabled"
        return;
    if (space == system_io && address > 0xfff8)
        return inventory.note(part, "an I/O port that cannot be", address);
    static_assert(system_memory == 0);
    add_serial(inventory, {.source = source, .io = space == system_io, .address = address, .is_16550 = is_16550});
}

/// Serial Port Console Redirection Table 1.10 and Debug Port Table 2 name the same: 16550 and its subsets.
bool is_16550_type(u16 type) { return type <= 1 || type == 0x12; }

} // namespace

void add_serial(Inventory& inventory, const SerialPort& port) {
    for (SerialPort& known : inventory.serial) {
        if (known.address != port.address || known.io != port.io)
            continue;
        known.irq = known.irq == 0 ? port.irq : known.irq;
        known.is_16550 = known.is_16550 || port.is_16550;
        if (port.has_pci && !known.has_pci) {
            known.has_pci = true;
            known.at = port.at;
        }
        return;
    }
    inventory.add(inventory.serial, port, "serial ports");
}

void survey_spcr(Inventory& inventory, Bytes table) {
    constexpr u64 interface_type = 36, base = 40;
    if (table.size() < base + 12)
        return inventory.note("ACPI SPCR", "it is too short", table.size());
    add_generic(inventory, table.subspan(base), SerialSource::Spcr, is_16550_type(field<u8>(table, interface_type)),
                "ACPI SPCR");
}

void survey_dbg2(Inventory& inventory, Bytes table) {
    constexpr u16 serial = 0x8000;
    const u32 first = field<u32>(table, 36);
    const u32 count = field<u32>(table, 40);
    u64 at = first;
    for (u32 i = 0; i < count; ++i) {
        const u16 length = field<u16>(table, at + 1);
        if (at > table.size() || length < 22 || length > table.size() - at)
            return inventory.note("ACPI DBG2", "the length of a device is impossible", length);
        const Bytes device = table.subspan(at, length);
        const u16 base = field<u16>(device, 18);
        if (field<u16>(device, 12) == serial && base < length)
            add_generic(inventory, device.subspan(base), SerialSource::Dbg2, is_16550_type(field<u16>(device, 14)),
                        "ACPI DBG2");
        at += length;
    }
}

} // namespace bulkhead::survey
