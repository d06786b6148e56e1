// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "boot/guest/acpi_tables.hpp"

#include <algorithm>
#include <cstddef>
#include <cstring>

#include "boot/guest/acpi_layout.hpp"
#include "boot/guest/dsdt_aml.hpp"
#include "devices/watchdog.hpp"

namespace bulkhead {

namespace {

using namespace acpi_layout;

// Linux drops x2APIC entries of IDs below 255 where a MADT has entries of both types.
constexpr u32 local_apic_ids = 255;

constexpr u8 system_io = 1;

constexpr GenericAddress io_register(u16 port, u8 bytes) {
    // Access size: 1 byte, 2 word, 3 dword.
    return {system_io, static_cast<u8>(8 * bytes), 0, static_cast<u8>(bytes == 4 ? 3 : bytes), port};
}

constexpr u64 aligned(u64 size) { return (size + 15) & ~u64{15}; }

u8 checksum(std::span<const u8> bytes) {
    u8 sum = 0;
    for (const u8 byte : bytes)
        sum = static_cast<u8>(sum + byte);
    return static_cast<u8>(-sum);
}

Header make_header(const char (&signature)[5], u8 revision) {
    Header header{};
    header.revision = revision;
    header.oem_revision = 1;
    header.creator_revision = 1;
    std::memcpy(header.signature, signature, sizeof header.signature);
    std::memcpy(header.oem_id, "BULKHD", sizeof header.oem_id);
    std::memcpy(header.oem_table_id, "BULKHEAD", sizeof header.oem_table_id);
    std::memcpy(header.creator_id, "BKHD", sizeof header.creator_id);
    return header;
}

/// Where tables and their entries go, one after the other. The area is known to be large enough.
class Writer {
public:
    explicit Writer(std::span<u8> area, u64 offset) : area_(area), offset_(offset) {}

    template <class T> void add(const T& item) {
        std::memcpy(area_.subspan(offset_, sizeof item).data(), &item, sizeof item);
        offset_ += sizeof item;
    }

    /// Completes the table that began at `start` with its length and checksum; returns its guest-physical address.
    u64 finish(u64 start) {
        const std::span<u8> table = area_.subspan(start, offset_ - start);
        const u32 length = static_cast<u32>(table.size());
        std::memcpy(table.subspan(offsetof(Header, length), sizeof length).data(), &length, sizeof length);
        table[offsetof(Header, checksum)] = 0;
        table[offsetof(Header, checksum)] = checksum(table);
        offset_ = aligned(offset_);
        return platform::firmware_area.value + start;
    }

    template <class T> u64 add_table(const T& table) {
        const u64 start = offset_;
        add(table);
        return finish(start);
    }

    [[nodiscard]] u64 offset() const { return offset_; }

private:
    std::span<u8> area_;
    u64 offset_;
};

u64 madt_size(u64 vcpus) {
    const u64 local = std::min<u64>(vcpus, local_apic_ids);
    return sizeof(Madt) + local * sizeof(LocalApic) + (vcpus - local) * sizeof(LocalX2Apic) + sizeof(IoApicEntry);
}

u64 add_madt(Writer& writer, u32 vcpus) {
    const u64 start = writer.offset();
    // Flag PCAT_COMPAT stays 0: there is no pair of 8259s.
    writer.add(Madt{make_header("APIC", 5), static_cast<u32>(platform::local_apic_base.value), 0});
    for (u32 id = 0; id < vcpus; ++id) {
        if (id < local_apic_ids)
            writer.add(LocalApic{.acpi_processor_uid = static_cast<u8>(id), .apic_id = static_cast<u8>(id)});
        else
            writer.add(LocalX2Apic{.reserved = 0, .x2apic_id = id, .acpi_processor_uid = id});
    }
    writer.add(IoApicEntry{.io_apic_id = 0,
                           .reserved = 0,
                           .io_apic_address = static_cast<u32>(guest_layout::io_apic.value),
                           .global_system_interrupt_base = 0});
    return writer.finish(start);
}

Fadt make_fadt(u64 dsdt) {
    Fadt fadt{};
    fadt.header = make_header("FACP", 6);
    fadt.dsdt = static_cast<u32>(dsdt);
    fadt.x_dsdt = dsdt;
    fadt.minor_version = 5;
    // Without the timer Linux finds no clock to calibrate by; it reads these fields although hardware-reduced says that
    // they are ignored (4.1).
    fadt.pm_tmr_blk = platform::pm_timer_port;
    fadt.pm_tmr_len = 4;
    fadt.x_pm_tmr_blk = io_register(platform::pm_timer_port, 4);
    fadt.p_lvl2_lat = 101; // no C2
    fadt.p_lvl3_lat = 1001;
    fadt.iapc_boot_arch = VGA_NOT_PRESENT | CMOS_RTC_NOT_PRESENT; // and no 8042
    fadt.flags = WBINVD | PWR_BUTTON | SLP_BUTTON | TMR_VAL_EXT | RESET_REG_SUP | HW_REDUCED_ACPI;
    fadt.reset_reg = io_register(platform::reset_port, 1);
    fadt.reset_value = platform::reset_value;
    fadt.sleep_control_reg = io_register(platform::sleep_control_port, 1);
    fadt.sleep_status_reg = io_register(platform::sleep_status_port, 1);
    std::memcpy(fadt.hypervisor_vendor_identity, "Bulkhead", sizeof fadt.hypervisor_vendor_identity);
    return fadt;
}

Spcr make_spcr() {
    Spcr spcr{};
    spcr.header = make_header("SPCR", 2);
    spcr.base_address = io_register(platform::uart_port, 1);
    spcr.interrupt_type = 1 << 1;
    spcr.global_system_interrupt = platform::uart_pin;
    spcr.baud_rate = 7;
    spcr.stop_bits = 1;
    spcr.terminal_type = 3;
    spcr.pci_device_id = 0xffff;
    spcr.pci_vendor_id = 0xffff;
    return spcr;
}

/// What the driver of this table does, one instruction each, on the registers of devices/watchdog.hpp. Whoever writes
/// RUN also feeds; EXPIRED is cleared by reading, changing and writing back, as RUN must stay.
constexpr u32 wdat_entry_count = 10;

u64 add_wdat(Writer& writer) {
    enum Action : u8 {
        RESET = 1,
        GET_CURRENT_COUNTDOWN = 4,
        GET_COUNTDOWN = 5,
        SET_COUNTDOWN = 6,
        GET_RUNNING_STATE = 8,
        SET_RUNNING_STATE = 9,
        GET_STOPPED_STATE = 10,
        SET_STOPPED_STATE = 11,
        GET_STATUS = 32,
        SET_STATUS = 33,
    };
    enum Instruction : u8 { READ_VALUE, READ_COUNTDOWN, WRITE_VALUE, WRITE_COUNTDOWN, PRESERVE_REGISTER = 0x80 };
    constexpr GenericAddress time_out = io_register(platform::watchdog_timeout_port, 4);
    constexpr GenericAddress left = io_register(platform::watchdog_left_port, 4);
    constexpr GenericAddress control = io_register(platform::watchdog_control_port, 4);
    constexpr u32 longest = 24 * 3600 * 1000; // milliseconds: a day
    constexpr WdatEntry entries[] = {
        {RESET, WRITE_VALUE, 0, control, Watchdog::RUN, Watchdog::RUN},
        {GET_CURRENT_COUNTDOWN, READ_COUNTDOWN, 0, left},
        {GET_COUNTDOWN, READ_COUNTDOWN, 0, time_out},
        {SET_COUNTDOWN, WRITE_COUNTDOWN, 0, time_out},
        {GET_RUNNING_STATE, READ_VALUE, 0, control, Watchdog::RUN, Watchdog::RUN},
        {SET_RUNNING_STATE, WRITE_VALUE, 0, control, Watchdog::RUN, Watchdog::RUN},
        {GET_STOPPED_STATE, READ_VALUE, 0, control, 0, Watchdog::RUN},
        {SET_STOPPED_STATE, WRITE_VALUE, 0, control, 0, Watchdog::RUN},
        {GET_STATUS, READ_VALUE, 0, control, Watchdog::EXPIRED, Watchdog::EXPIRED},
        {SET_STATUS, WRITE_VALUE | PRESERVE_REGISTER, 0, control, Watchdog::EXPIRED, Watchdog::EXPIRED},
    };
    static_assert(std::size(entries) == wdat_entry_count);
    Wdat wdat{};
    wdat.header = make_header("WDAT", 1);
    wdat.header_length = sizeof(Wdat) - sizeof(Header);
    wdat.pci_segment = 0xff;
    wdat.pci_bus = wdat.pci_device = wdat.pci_function = 0xff;
    wdat.timer_period = 1;
    wdat.max_count = longest;
    wdat.min_count = 1;
    wdat.flags = 1;
    wdat.entries = wdat_entry_count;
    const u64 start = writer.offset();
    writer.add(wdat);
    for (const WdatEntry& entry : entries)
        writer.add(entry);
    return writer.finish(start);
}

void write_root_pointer(std::span<u8> area, u64 xsdt) {
    RootPointer rsdp{};
    rsdp.revision = 2;
    rsdp.length = sizeof rsdp;
    rsdp.xsdt_address = xsdt;
    std::memcpy(rsdp.signature, "RSD PTR ", sizeof rsdp.signature);
    std::memcpy(rsdp.oem_id, "BULKHD", sizeof rsdp.oem_id);
    const std::span<u8> bytes = area.first(sizeof rsdp);
    std::memcpy(bytes.data(), &rsdp, sizeof rsdp);
    bytes[offsetof(RootPointer, checksum)] = checksum(bytes.first(offsetof(RootPointer, length)));
    bytes[offsetof(RootPointer, extended_checksum)] = checksum(bytes);
}

} // namespace

u64 acpi_tables_size(u32 vcpus) {
    return aligned(sizeof(RootPointer)) + aligned(sizeof(Xsdt)) + aligned(sizeof(Fadt)) + aligned(madt_size(vcpus)) +
           aligned(sizeof(Spcr)) + aligned(sizeof(Wdat) + wdat_entry_count * sizeof(WdatEntry)) +
           aligned(dsdt_aml.size());
}

Result<u64> build_acpi_tables(std::span<u8> area, u32 vcpus) {
    if (vcpus == 0)
        return fail("a guest needs a vCPU");
    if (acpi_tables_size(vcpus) > area.size())
        return fail("the ACPI tables of so many vCPUs do not fit below 1 MiB", vcpus);

    Writer writer(area, aligned(sizeof(RootPointer)));
    const u64 dsdt = writer.add_table(dsdt_aml); // its own length and checksum come out again
    Xsdt xsdt{make_header("XSDT", 1), {}};
    xsdt.entries[0] = writer.add_table(make_fadt(dsdt));
    xsdt.entries[1] = add_madt(writer, vcpus);
    xsdt.entries[2] = writer.add_table(make_spcr());
    xsdt.entries[3] = add_wdat(writer);
    write_root_pointer(area, writer.add_table(xsdt));
    return writer.offset();
}

} // namespace bulkhead
