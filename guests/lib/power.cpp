// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "guests/lib/power.hpp"

#include "guests/lib/acpi.hpp"
#include "guests/lib/guest.hpp"

namespace bulkhead::guest {
namespace {

[[noreturn]] void stop(std::string_view what) {
    for (unsigned i = 0; i < 1'000'000; ++i) // a chipset takes its time
        pause();
    print("FAIL ", name, ": ", what, " did not work");
    for (;;)
        asm volatile("cli; hlt");
}

} // namespace

void power_off() {
    const AcpiTable fadt = acpi_table("FACP");
    const u32 type = acpi_sleep_type_off();
    if (fadt && (fadt.field<u32>(fadt_flags) & fadt_hardware_reduced) != 0)
        out8(fadt_port(fadt, fadt_sleep_control), static_cast<u8>(type << 2 | 1 << 5)); // ACPI 6.5 4.8.3.7
    else if (fadt)
        out16(static_cast<u16>(fadt.field<u32>(fadt_pm1a_control)), static_cast<u16>(type << 10 | 1 << 13));
    stop("power-off");
}

void reset() {
    const AcpiTable fadt = acpi_table("FACP");
    if (fadt && (fadt.field<u32>(fadt_flags) & fadt_reset_supported) != 0)
        out8(fadt_port(fadt, fadt_reset_register), fadt.field<u8>(fadt_reset_value));
    stop("reset");
}

} // namespace bulkhead::guest
