// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "boot/acpi_platform.hpp"

#include <algorithm>

namespace bulkhead::acpi {

namespace {

/// ACPI 6.5 table 5.1: Generic Address Structure.
struct GenericAddress {
    u8 space = 0;
    u64 address = 0;
};
constexpr u8 system_memory = 0;
constexpr u8 system_io = 1;

GenericAddress generic_address(Bytes table, u64 offset) {
    return {field<u8>(table, offset), field<u64>(table, offset + 4)};
}

/// The PM timer is read as 32 bits.
bool is_timer_port(u64 port) { return port != 0 && port <= 0xfffc; }

constexpr u64 mcfg_first_entry = 44;
constexpr u64 mcfg_entry_size = 16;

/// Adds `base` unless it is 0, there already, or one too many.
void add_base(std::span<HostPhysical> storage, u64& used, u64 base) {
    const auto known = storage.first(used);
    if (base != 0 && used < storage.size() && std::ranges::find(known, HostPhysical{base}) == known.end())
        storage[used++] = {base};
}

} // namespace

PmTimer parse_fadt(Bytes table) {
    constexpr u32 tmr_val_ext = 1u << 8;
    PmTimer timer{.port = 0, .has_32_bits = (field<u32>(table, 112) & tmr_val_ext) != 0};
    const GenericAddress extended = generic_address(table, 208);
    const u32 legacy = field<u32>(table, 76);
    if (extended.space == system_io && is_timer_port(extended.address))
        timer.port = static_cast<u16>(extended.address);
    else if (is_timer_port(legacy))
        timer.port = static_cast<u16>(legacy);
    return timer;
}

ResetRegister parse_reset_register(Bytes fadt) {
    constexpr u32 reset_reg_sup = 1u << 10;
    constexpr u64 reset_control = 0xcf9;
    constexpr u8 full_reset = 1u << 3; // ICH9 13.7.5: FULL_RST
    const GenericAddress at = generic_address(fadt, 116);
    if ((field<u32>(fadt, 112) & reset_reg_sup) == 0 || at.space != system_io || at.address > 0xffff)
        return {};
    const u8 value = field<u8>(fadt, 128);
    return {.port = static_cast<u16>(at.address),
            .value = at.address == reset_control ? static_cast<u8>(value & ~full_reset) : value};
}

HostPhysical parse_hpet(Bytes table) {
    const GenericAddress registers = generic_address(table, 40);
    return {registers.space == system_memory ? registers.address : 0};
}

u64 count_mcfg(Bytes table) {
    return table.size() < mcfg_first_entry ? 0 : (table.size() - mcfg_first_entry) / mcfg_entry_size;
}

std::span<EcamInfo> parse_mcfg(Bytes table, std::span<EcamInfo> storage) {
    u64 used = 0;
    for (u64 i = 0; i < count_mcfg(table) && used < storage.size(); ++i) {
        const Bytes entry = table.subspan(mcfg_first_entry + i * mcfg_entry_size, mcfg_entry_size);
        const EcamInfo range{.address = {field<u64>(entry, 0)},
                             .segment = field<u16>(entry, 8),
                             .start_bus = field<u8>(entry, 10),
                             .end_bus = field<u8>(entry, 11)};
        if (range.address.value != 0 && range.start_bus <= range.end_bus)
            storage[used++] = range;
    }
    return storage.first(used);
}

std::span<HostPhysical> parse_dmar(Bytes table, std::span<HostPhysical> storage) {
    constexpr u64 first_structure = 48;
    constexpr u16 drhd = 0;
    u64 used = 0;
    for (u64 at = first_structure; at + 4 <= table.size();) {
        const u16 type = field<u16>(table, at);
        const u16 length = field<u16>(table, at + 2);
        if (length < 4 || length > table.size() - at)
            break;
        if (type == drhd)
            add_base(storage, used, field<u64>(table.subspan(at, length), 8));
        at += length;
    }
    return storage.first(used);
}

std::span<HostPhysical> parse_ivrs(Bytes table, std::span<HostPhysical> storage) {
    constexpr u64 first_block = 48;
    u64 used = 0;
    for (u64 at = first_block; at + 4 <= table.size();) {
        const u8 type = field<u8>(table, at);
        const u16 length = field<u16>(table, at + 2);
        if (length < 4 || length > table.size() - at)
            break;
        // Three generations of IVHD describe the same IOMMU; they agree up to the base address.
        if (type == 0x10 || type == 0x11 || type == 0x40)
            add_base(storage, used, field<u64>(table.subspan(at, length), 8));
        at += length;
    }
    return storage.first(used);
}

} // namespace bulkhead::acpi
