// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "guests/lib/acpi.hpp"

#include <cstring>

#include "guests/lib/guest.hpp"

namespace bulkhead::guest {
namespace {

bool has_signature(u64 address, std::string_view signature) {
    return std::memcmp(reinterpret_cast<const void*>(address), signature.data(), signature.size()) == 0;
}

template <typename Entry> AcpiTable find_in(AcpiTable root, std::string_view signature) {
    for (u32 offset = 36; offset + sizeof(Entry) <= root.size(); offset += sizeof(Entry))
        if (const u64 address = root.field<Entry>(offset); has_signature(address, signature))
            return {address};
    return {};
}

} // namespace

u8 AcpiTable::sum() const {
    u8 total = 0;
    for (u32 i = 0; i < size(); ++i)
        total = static_cast<u8>(total + at<const u8>(address + i));
    return total;
}

AcpiTable acpi_table(std::string_view signature) {
    if (signature == "DSDT") {
        const AcpiTable fadt = acpi_table("FACP");
        const u64 extended = fadt ? fadt.field<u64>(fadt_x_dsdt) : 0;
        return {extended != 0 || !fadt ? extended : fadt.field<u32>(fadt_dsdt)};
    }
    const u64 rsdp = acpi_root_pointer();
    if (rsdp == 0)
        return {};
    const u64 xsdt = at<const u8>(rsdp + 15) >= 2 ? at<const u64>(rsdp + 24) : 0;
    return xsdt != 0 ? find_in<u64>({xsdt}, signature) : find_in<u32>({at<const u32>(rsdp + 16)}, signature);
}

u16 fadt_port(AcpiTable fadt, u32 offset) {
    constexpr u8 system_io = 1; // ACPI 6.5 5.2.3.2
    return fadt.field<u8>(offset) == system_io ? static_cast<u16>(fadt.field<u64>(offset + 4)) : u16{0};
}

u8 acpi_sleep_type_off() {
    const AcpiTable dsdt = acpi_table("DSDT");
    for (u32 i = 36; dsdt && i + 10 < dsdt.size(); ++i) {
        // Name (_S5, Package (n) { value: PackageOp, PkgLength (one byte), NumElements, then the first element
        if (!has_signature(dsdt.address + i, "_S5_\x12"))
            continue;
        const u8 prefix = dsdt.field<u8>(i + 7);
        return prefix == 0x0a ? dsdt.field<u8>(i + 8) : prefix; // BytePrefix, or ZeroOp and OneOp themselves
    }
    return 0;
}

u16 pm_timer_port() {
    const AcpiTable fadt = acpi_table("FACP");
    if (!fadt)
        return 0;
    const u16 extended = fadt_port(fadt, fadt_x_pm_timer);
    return extended != 0 ? extended : static_cast<u16>(fadt.field<u32>(fadt_pm_timer));
}

void pm_timer_wait(u32 ticks) {
    const u16 port = pm_timer_port();
    const u32 start = in32(port);
    while (((in32(port) - start) & 0xffffff) < ticks)
        pause();
}

} // namespace bulkhead::guest
