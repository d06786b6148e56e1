// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#pragma once

#include <string_view>

#include "base/types.hpp"

/// The ACPI tables that a guest finds, read as untyped bytes: these guests check what the hypervisor wrote.
namespace bulkhead::guest {

/// A table by its physical address; address 0 is no table.
struct AcpiTable {
    u64 address = 0;

    [[nodiscard]] explicit operator bool() const { return address != 0; }
    /// The length field: header included, in bytes.
    [[nodiscard]] u32 size() const { return field<u32>(4); }
    /// The sum of all bytes, which must be 0 (ACPI 6.5 5.2.6).
    [[nodiscard]] u8 sum() const;
    /// The value at this offset; 0 if the table ends before.
    template <typename T> [[nodiscard]] T field(u32 offset) const {
        using Unaligned [[gnu::aligned(1), gnu::may_alias]] = T;
        if (offset > 4 && offset + sizeof(T) > size())
            return 0;
        return *reinterpret_cast<const Unaligned*>(address + offset);
    }
};

/// The table with this signature from the XSDT (or the RSDT, where there is none). "DSDT" is found through the FADT.
AcpiTable acpi_table(std::string_view signature);

/// Offsets in the FADT (ACPI 6.5 5.2.9).
enum Fadt : u32 {
    fadt_dsdt = 40,
    fadt_pm1a_control = 64,
    fadt_pm_timer = 76,
    fadt_flags = 112,
    fadt_reset_register = 116,
    fadt_reset_value = 128,
    fadt_x_dsdt = 140,
    fadt_x_pm_timer = 208,
    fadt_sleep_control = 244,
};
inline constexpr u32 fadt_hardware_reduced = u32{1} << 20;
inline constexpr u32 fadt_reset_supported = u32{1} << 10;

/// The port in a Generic Address Structure of the FADT at this offset, or 0 if it does not name an I/O port.
u16 fadt_port(AcpiTable fadt, u32 offset);

/// The first value of the DSDT's \_S5 package: SLP_TYP of "soft off". 0 if there is no such object.
u8 acpi_sleep_type_off();

/// The ACPI PM timer's port, or 0.
u16 pm_timer_port();
inline constexpr u64 pm_timer_hz = 3579545;
/// Waits for at least this many ticks of the PM timer, whose counter may have 24 bits only. Below 8 million ticks.
void pm_timer_wait(u32 ticks);

} // namespace bulkhead::guest
