// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "boot/acpi_madt.hpp"

#include <algorithm>

namespace bulkhead::acpi {

namespace {

/// ACPI 6.5 table 5.21, the types that are of use here.
enum EntryType : u8 {
    LocalApic = 0,
    IoApic = 1,
    SourceOverride = 2,
    LocalApicAddressOverride = 5,
    LocalX2Apic = 9,
};

constexpr u64 first_entry = 44;
constexpr u32 local_apic_enabled = 1;
constexpr u32 pcat_compat = 1;

/// 0 for types that are not read.
constexpr u64 size_of(u8 type) {
    switch (type) {
    case LocalApic:
        return 8;
    case IoApic:
    case LocalApicAddressOverride:
        return 12;
    case SourceOverride:
        return 10;
    case LocalX2Apic:
        return 16;
    }
    return 0;
}

/// Calls `visit(type, entry)` for each entry that is as long as its type demands. False: there was a damaged one.
template <class Visit> bool for_each_entry(Bytes table, Visit visit) {
    bool whole = true;
    for (u64 at = first_entry; at + 2 <= table.size();) {
        const u8 type = field<u8>(table, at);
        const u8 length = field<u8>(table, at + 1);
        if (length < 2 || length > table.size() - at)
            return false; // nothing says where the next one begins
        if (length >= size_of(type))
            visit(type, table.subspan(at, length));
        else
            whole = false;
        at += length;
    }
    return whole;
}

/// Fills the caller's room from the front.
template <class T> class Filler {
public:
    explicit Filler(std::span<T> room) : room_(room) {}
    bool add(const T& item) {
        if (used_ == room_.size())
            return false;
        room_[used_++] = item;
        return true;
    }
    [[nodiscard]] std::span<T> items() const { return room_.first(used_); }

private:
    std::span<T> room_;
    u64 used_ = 0;
};

/// ACPI 6.5 table 5.26. "Conforms to the bus" means edge and active high for ISA.
InterruptOverride decode_override(Bytes entry) {
    constexpr u16 low = 3;
    constexpr u16 level = 3;
    const u16 flags = field<u16>(entry, 8);
    return {.isa_irq = field<u8>(entry, 3),
            .gsi = field<u32>(entry, 4),
            .active_low = (flags & 3) == low,
            .level = ((flags >> 2) & 3) == level};
}

/// True unless the processor is one that must be listed and there is no room. Firmware lists a processor by type 0, by
/// type 9, or by both.
bool add_cpu(Filler<CpuInfo>& cpus, u32 apic_id, u32 no_apic_id, u32 acpi_uid, u32 flags) {
    const bool listed = std::ranges::any_of(cpus.items(), [&](const CpuInfo& cpu) { return cpu.apic_id == apic_id; });
    if ((flags & local_apic_enabled) == 0 || apic_id == no_apic_id || listed)
        return true;
    return cpus.add({.apic_id = apic_id, .acpi_uid = acpi_uid});
}

} // namespace

MadtCounts count_madt(Bytes table) {
    MadtCounts counts;
    for_each_entry(table, [&](u8 type, Bytes) {
        counts.cpus += type == LocalApic || type == LocalX2Apic;
        counts.io_apics += type == IoApic;
        counts.overrides += type == SourceOverride;
    });
    return counts;
}

Madt parse_madt(Bytes table, const MadtStorage& storage) {
    Filler cpus(storage.cpus);
    Filler io_apics(storage.io_apics);
    Filler overrides(storage.overrides);
    HostPhysical local_apic{field<u32>(table, 36)};
    bool whole = true;
    whole &= for_each_entry(table, [&](u8 type, Bytes entry) {
        if (type == LocalApic)
            whole &= add_cpu(cpus, field<u8>(entry, 3), 0xff, field<u8>(entry, 2), field<u32>(entry, 4));
        else if (type == LocalX2Apic)
            whole &= add_cpu(cpus, field<u32>(entry, 4), ~0u, field<u32>(entry, 12), field<u32>(entry, 8));
        else if (type == IoApic)
            whole &= io_apics.add(
                {.address = {field<u32>(entry, 4)}, .id = field<u8>(entry, 2), .gsi_base = field<u32>(entry, 8)});
        else if (type == SourceOverride)
            whole &= overrides.add(decode_override(entry));
        else if (type == LocalApicAddressOverride)
            local_apic = {field<u64>(entry, 4)};
    });
    return {.cpus = cpus.items(),
            .io_apics = io_apics.items(),
            .overrides = overrides.items(),
            .local_apic = local_apic,
            .has_8259 = (field<u32>(table, 40) & pcat_compat) != 0,
            .damaged = !whole};
}

bool put_first(std::span<CpuInfo> cpus, u32 apic_id) {
    const auto found = std::ranges::find(cpus, apic_id, &CpuInfo::apic_id);
    if (found == cpus.end())
        return false;
    std::rotate(cpus.begin(), found, found + 1);
    return true;
}

} // namespace bulkhead::acpi
