// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "guests/lib/acpi.hpp"

#include "guests/lib/apic.hpp"
#include "guests/lib/guest.hpp"
#include "guests/lib/timing.hpp"

// The ACPI tables are whole and describe the machine that is there: hardware-reduced, one processor, one I/O APIC, a
// PM timer that runs at its rate. They lie where no kernel puts anything else.
namespace bulkhead::guest {

constexpr std::string_view name = GUEST_NAME;

namespace {

bool is_usable_ram(u64 address) {
    for (unsigned i = 0; i < memory_range_count(); ++i)
        if (const MemoryRange range = memory_range(i);
            range.type == 1 && address >= range.address && address - range.address < range.size)
            return true;
    return false;
}

u8 sum(u64 address, u64 size) {
    u8 total = 0;
    for (u64 i = 0; i < size; ++i)
        total = static_cast<u8>(total + at<const u8>(address + i));
    return total;
}

void check_root() {
    const u64 rsdp = acpi_root_pointer();
    check(rsdp != 0, "an RSDP");
    check_equal(at<u64>(rsdp), 0x2052545020445352, "the RSDP's signature");
    check_equal(sum(rsdp, 20), 0, "the RSDP's checksum");
    check_equal(sum(rsdp, 36), 0, "the RSDP's extended checksum");
    check_equal(at<u8>(rsdp + 15), 2, "the RSDP's revision");
    check(!is_usable_ram(rsdp), "the RSDP is in reserved memory");
}

void check_table(std::string_view signature) {
    const AcpiTable table = acpi_table(signature);
    check(static_cast<bool>(table), signature, " is there");
    if (!table)
        return;
    check_equal(table.sum(), 0, signature, ": checksum");
    check(!is_usable_ram(table.address) && !is_usable_ram(table.address + table.size() - 1), signature,
          " is in reserved memory");
}

void check_fadt() {
    const AcpiTable fadt = acpi_table("FACP");
    constexpr u32 boot_flags = 109;
    constexpr u16 no_i8042_mask = 1 << 1, no_vga = 1 << 2, no_rtc = 1 << 5; // ACPI 6.5 table 5.11
    check_equal(fadt.field<u8>(8), 6, "FADT: revision");
    check((fadt.field<u32>(fadt_flags) & fadt_hardware_reduced) != 0, "FADT: hardware-reduced");
    check((fadt.field<u32>(fadt_flags) & fadt_reset_supported) != 0, "FADT: reset register");
    check_equal(fadt.field<u16>(boot_flags) & (no_i8042_mask | no_rtc), no_rtc, "FADT: no RTC, no i8042");
    check_equal(fadt.field<u16>(boot_flags) & no_vga, no_vga, "FADT: no VGA");
    check(fadt_port(fadt, fadt_reset_register) != 0, "FADT: the reset register's port");
    check(fadt_port(fadt, fadt_sleep_control) != 0, "FADT: the sleep control register's port");
    check_equal(acpi_sleep_type_off(), 5, "DSDT: SLP_TYP of _S5");
}

void check_madt() {
    const AcpiTable madt = acpi_table("APIC");
    u32 processors = 0, io_apics = 0;
    check_equal(madt.field<u32>(40) & 1, 0, "MADT: PCAT_COMPAT");
    for (u32 offset = 44; offset + 2 <= madt.size();) {
        const u8 type = madt.field<u8>(offset);
        const u8 size = madt.field<u8>(offset + 1);
        if (size < 2)
            return check(false, "MADT: an entry of size ", u32{size});
        if (type == 0) {
            check_equal(madt.field<u8>(offset + 3), processors++, "MADT: APIC ID");
            check_equal(madt.field<u32>(offset + 4) & 1, 1, "MADT: the processor is enabled");
        } else if (type == 1) {
            ++io_apics;
            check_equal(madt.field<u32>(offset + 4), 0xfec00000, "MADT: the I/O APIC's address");
            check_equal(madt.field<u32>(offset + 8), 0, "MADT: the I/O APIC's first interrupt");
        }
        offset += size;
    }
    check_equal(processors, 1, "MADT: processors");
    check_equal(io_apics, 1, "MADT: I/O APICs");
}

void check_pm_timer() {
    const u16 port = pm_timer_port();
    check(port != 0, "a PM timer");
    if (port == 0)
        return;
    const auto timer = [=] { return u64{in32(port)}; };
    const ClockReading first = read_clock(timer);
    pm_timer_wait(pm_timer_hz / 20);
    const ClockReading last = read_clock(timer);
    const u64 ticks = (last.value - first.value) & 0xffffff;
    check(agrees_with_tsc(ticks, pm_timer_hz, first, last, tsc_hz()), "the PM timer counted ", ticks, " in ",
          last.before - first.after, " to ", last.after - first.before, " ticks of the TSC, which runs at ", tsc_hz(),
          " Hz");
}

} // namespace

void run() {
    check_root();
    for (const std::string_view signature : {"FACP", "APIC", "SPCR", "WDAT", "DSDT"})
        check_table(signature);
    check(!acpi_table("MCFG"), "no MCFG where there is no PCI");
    check_fadt();
    check_madt();
    check_pm_timer();
}

} // namespace bulkhead::guest
