// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// Any memory as ACPI tables, and any bytes as each of them. Checksums are made right, or few would be looked at.
#include <algorithm>

#include "boot/acpi_madt.hpp"
#include "boot/acpi_platform.hpp"
#include "boot/acpi_srat.hpp"
#include "fakes/acpi_builder.hpp"
#include "fuzz/fuzz.hpp"

namespace bulkhead {
namespace {

using fuzz::require;

constexpr std::string_view signatures[] = {"APIC", "SRAT", "FACP", "HPET", "MCFG", "DMAR", "IVRS", "SPCR"};

/// The input is physical memory from 0 on, the RSDP at its begin.
struct Memory {
    std::span<const u8> all;
    [[nodiscard]] acpi::Bytes bytes(HostPhysical address, u64 size) const {
        return address.value > all.size() || size > all.size() - address.value ? acpi::Bytes()
                                                                               : all.subspan(address.value, size);
    }
};
static_assert(acpi::PhysicalMemory<Memory>);

void fix_checksum(std::span<u8> bytes, std::size_t at) {
    if (at >= bytes.size())
        return;
    bytes[at] = 0;
    u8 sum = 0;
    for (const u8 byte : bytes)
        sum = static_cast<u8>(sum + byte);
    bytes[at] = static_cast<u8>(-sum);
}

void check_madt(acpi::Bytes table) {
    const acpi::MadtCounts counts = acpi::count_madt(table);
    require(counts.cpus + counts.io_apics + counts.overrides <= table.size(), "more entries than bytes");
    std::vector<CpuInfo> cpus(counts.cpus);
    std::vector<IoApicInfo> io_apics(counts.io_apics);
    std::vector<InterruptOverride> overrides(counts.overrides);
    const acpi::Madt madt = acpi::parse_madt(table, {cpus, io_apics, overrides});
    std::vector<u32> ids;
    for (const CpuInfo& cpu : madt.cpus)
        ids.push_back(cpu.apic_id);
    if (!ids.empty())
        require(acpi::put_first(madt.cpus, ids.back()) && madt.cpus[0].apic_id == ids.back(), "not put first");
    std::ranges::sort(ids);
    require(std::ranges::adjacent_find(ids) == ids.end(), "an APIC ID twice");
}

void check_srat(acpi::Bytes table) {
    std::vector<CpuInfo> cpus(8);
    for (u32 i = 0; i < cpus.size(); ++i)
        cpus[i].apic_id = i;
    std::vector<NodeMemory> nodes(acpi::count_srat_memory(table));
    for (const NodeMemory& node : acpi::parse_srat(table, cpus, nodes))
        require(node.range.size != 0 && node.range.start.value + node.range.size > node.range.start.value,
                "memory of a node that wraps");
}

void check_platform(acpi::Bytes table) {
    static_cast<void>(acpi::parse_fadt(table));
    static_cast<void>(acpi::parse_reset_register(table));
    static_cast<void>(acpi::parse_hpet(table));
    std::vector<EcamInfo> ranges(acpi::count_mcfg(table));
    for (const EcamInfo& range : acpi::parse_mcfg(table, ranges))
        require(range.address.value != 0 && range.start_bus <= range.end_bus, "a range of configuration space");
    for (const auto parse : {acpi::parse_dmar, acpi::parse_ivrs}) {
        HostPhysical storage[4];
        std::vector<u64> bases;
        for (const HostPhysical base : parse(table, storage))
            bases.push_back(base.value);
        std::ranges::sort(bases);
        require(std::ranges::adjacent_find(bases) == bases.end(), "an IOMMU twice");
    }
}

/// A table at `address`, with a right checksum then.
void mend(std::span<u8> memory, u64 address) {
    if (address > memory.size() || memory.size() - address < acpi::header_size)
        return;
    const u32 length = acpi::field<u32>(memory, address + 4);
    if (length >= acpi::header_size && length <= memory.size() - address)
        fix_checksum(memory.subspan(address, length), 9);
}

/// Those that the roots name, then the roots, then the RSDP.
void mend_all(std::span<u8> memory) {
    const u64 xsdt = acpi::field<u64>(memory, 24), rsdt = acpi::field<u32>(memory, 16);
    for (u64 i = 0; i < 16; ++i) {
        mend(memory, acpi::field<u64>(memory, xsdt + acpi::header_size + 8 * i));
        mend(memory, acpi::field<u32>(memory, rsdt + acpi::header_size + 4 * i));
    }
    mend(memory, rsdt);
    mend(memory, xsdt);
    fix_checksum(memory.first(std::min<std::size_t>(memory.size(), 20)), 8);
    if (const u32 length = acpi::field<u32>(memory, 20); length >= 36 && length <= memory.size())
        fix_checksum(memory.first(length), 32);
}

void check_memory(std::vector<u8> bytes) {
    if (bytes.size() < 20)
        return;
    std::memcpy(bytes.data(), "RSD PTR ", 8);
    mend_all(bytes);
    const auto roots = acpi::parse_rsdp(bytes);
    require(roots.has_value(), "an RSDP that is right");
    const Memory memory{bytes};
    for (const std::string_view signature : signatures)
        if (const auto table = acpi::find_table(memory, *roots, signature)) {
            require(table->data() >= bytes.data() && table->data() + table->size() <= bytes.data() + bytes.size(),
                    "a table outside of memory");
            require(acpi::check_table(*table, signature).has_value(), "a table that was not checked");
        }
}

} // namespace

void fuzz::try_input(Bytes input) {
    check_madt(input);
    check_srat(input);
    check_platform(input);
    check_memory({input.begin(), input.end()});
}

std::vector<fuzz::Seed> fuzz::seeds() {
    using fakes::AcpiBuilder;
    AcpiBuilder madt = AcpiBuilder("APIC").u32v(0xfee0'0000).u32v(1);
    madt.u8s({0, 8, 1, 0}).u32v(1).u8s({9, 16, 0, 0}).u32v(300).u32v(1).u32v(2).u8s({1, 12, 8, 0}).u32v(0xfec0'0000);
    madt.u32v(0).u8s({2, 10, 0, 0}).u32v(2).u16v(0).u8s({5, 12, 0, 0}).u64v(0x1'fee0'0000).u8s({4, 6, 0xff, 0, 0, 1});
    AcpiBuilder srat = AcpiBuilder("SRAT").u32v(1).u64v(0).u8s({0, 16, 1, 0}).u32v(1).u64v(0);
    srat.u8s({1, 40, 0, 0}).u32v(0).u64v(0x10'0000).u64v(0x1000'0000).u32v(0).u32v(1).u64v(0);
    srat.u8s({2, 24, 0, 0}).u32v(1).u32v(3).u32v(1).u64v(0);
    const Seed mcfg = AcpiBuilder("MCFG").u64v(0).u64v(0xe000'0000).u16v(0).u8s({0, 255}).u32v(0).table();
    const Seed dmar = AcpiBuilder("DMAR").u8s({38, 1}).pad_to(48).u16v(0).u16v(16).u32v(1).u64v(0xfed9'0000).table();
    const Seed ivrs = AcpiBuilder("IVRS").pad_to(48).u8s({0x10, 0}).u16v(24).u32v(0).u64v(0xfeb8'0000).u64v(0).table();
    const Seed fadt = AcpiBuilder("FACP").pad_to(76).u32v(0x608).pad_to(112).u32v(1 << 10 | 1 << 8).pad_to(276).table();
    std::vector<Seed> all{madt.table(), srat.table(), mcfg, dmar, ivrs, fadt};
    // Memory with all of them, behind an RSDP of revision 2 and both roots.
    AcpiBuilder xsdt("XSDT"), rsdt("RSDT");
    u64 at = 512;
    Seed memory(at);
    for (const Seed& table : all) {
        xsdt.u64v(at);
        rsdt.u32v(static_cast<u32>(at));
        memory.insert(memory.end(), table.begin(), table.end());
        at += table.size();
    }
    std::ranges::copy(xsdt.table(), memory.begin() + 64);
    std::ranges::copy(rsdt.table(), memory.begin() + 256);
    const Seed rsdp = AcpiBuilder().u64v(0).u64v(u64{2} << 56).u32v(256).u32v(36).u64v(64).u32v(0).raw();
    std::ranges::copy(rsdp, memory.begin());
    memory[15] = 2;
    memory[16] = 0;
    memory[17] = 1;
    all.push_back(memory);
    return all;
}

} // namespace bulkhead
