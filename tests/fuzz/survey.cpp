// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// Any machine as the survey meets it: CPUID, ACPI tables, SMBIOS, memory map and PCI configuration space out of the
// input. Whatever they say, the inventory is TOML, and the proposal is a valid configuration.
#include <algorithm>
#include <map>
#include <memory>

#include "boot/topology.hpp"
#include "config/load.hpp"
#include "fakes/acpi_builder.hpp"
#include "fuzz/fuzz.hpp"
#include "survey/acpi.hpp"
#include "survey/memory.hpp"
#include "survey/pci.hpp"
#include "survey/processor.hpp"
#include "survey/proposal.hpp"
#include "survey/smbios.hpp"
#include "survey/write_inventory.hpp"
#include "tools/toml_library.hpp"
#include "unit/boot/guest/cpuid_recording.hpp"

namespace bulkhead {
namespace {

using fuzz::require;

/// A recorded CPU, some of whose leaves are the input's.
struct Cpuid {
    const test::CpuidRecording& recording;
    std::map<u32, CpuidRegisters> others;
    CpuidRegisters operator()(u32 leaf, u32 subleaf) const {
        const auto found = others.find(leaf);
        return found == others.end() ? recording(leaf, subleaf) : found->second;
    }
};

Cpuid read_cpuid(fuzz::Reader& reader) {
    static const test::CpuidRecording recordings[] = {test::own_recording("amd_server.txt"),
                                                      test::own_recording("intel_client.txt")};
    Cpuid cpuid{recordings[reader.take<u8>() & 1], {}};
    for (unsigned i = reader.take<u8>() % 4; i > 0; --i) {
        const u8 leaf = reader.take<u8>();
        cpuid.others[(leaf & 0x80) != 0 ? 0x8000'0000 + (leaf & 0x7f) : leaf] = reader.take<CpuidRegisters>();
    }
    return cpuid;
}

struct Space {
    fuzz::Bytes bytes;
    u32 size;
    [[nodiscard]] u32 read(boot::pci::Function, u16 offset) const {
        return offset % 4 == 0 ? acpi::field<u32>(bytes, offset) : (fuzz::fail("a misaligned offset"), 0);
    }
    [[nodiscard]] u32 readable(boot::pci::Function) const { return size; }
    [[nodiscard]] u64 bar_size(boot::pci::Function, u32 index, u64 address) const {
        return address == 0 ? 0 : u64{4096} << index;
    }
};

/// Lengths and checksums are made right for every second one.
std::vector<std::vector<u8>> read_tables(fuzz::Reader& reader) {
    std::vector<std::vector<u8>> tables;
    for (unsigned i = reader.take<u8>() % 8; i > 0; --i) {
        const u16 size = reader.take<u16>();
        const auto bytes = reader.bytes(size % 1024);
        std::vector<u8> table(bytes.begin(), bytes.end());
        if ((size & 0x8000) == 0 && table.size() >= acpi::header_size) {
            for (unsigned byte = 0; byte < 4; ++byte)
                table[4 + byte] = static_cast<u8>(table.size() >> (8 * byte));
            table[9] = 0;
            u8 sum = 0;
            for (const u8 byte : table)
                sum = static_cast<u8>(sum + byte);
            table[9] = static_cast<u8>(-sum);
        }
        tables.push_back(std::move(table));
    }
    return tables;
}

void survey_functions(survey::Inventory& inventory, fuzz::Reader& reader) {
    constexpr u32 sizes[] = {64, 256, 4096};
    for (unsigned i = reader.take<u8>() % 4; i > 0; --i) {
        const u32 where = reader.take<u32>();
        const Space space{reader.bytes(reader.take<u8>() * 4u), sizes[(where >> 24) % 3]};
        const survey::PciRegisters registers(space, {.bus = static_cast<u8>(where)});
        survey::survey_function(inventory,
                                {.segment = 0,
                                 .bus = static_cast<u8>(where),
                                 .device = static_cast<u8>(where >> 8 & 31),
                                 .function = static_cast<u8>(where >> 16 & 7)},
                                registers);
    }
    survey::survey_groups(inventory);
}

void check_layout(const Cpuid& cpuid) {
    const boot::ApicIdLayout layout = boot::apic_id_layout(cpuid);
    require(layout.smt_shift <= layout.cache_shift && layout.cache_shift <= layout.package_shift &&
                layout.package_shift <= 31,
            "a layout of the APIC ID that there is not");
    std::vector<CpuInfo> cpus{{.apic_id = 0}, {.apic_id = 5}, {.apic_id = ~0u}};
    boot::apply_layout(cpus, layout);
}

class AnyFile final : public Files {
public:
    Result<u64> size(std::string_view) override { return 64 * KiB; }
};

void check_proposal(const survey::Inventory& inventory) {
    static std::vector<char> room(survey::proposal_text_size);
    static const auto storage = std::make_unique<ConfigurationStorage>();
    const std::string_view proposal = survey::write_proposal(inventory, room);
    LoadedConfiguration loaded(*storage);
    AnyFile files;
    if (load_configuration(proposal, files, nullptr, loaded))
        return;
    for (const Diagnostic& diagnostic : loaded.diagnostics.all())
        std::fprintf(stderr, "%u: %.*s\n", diagnostic.at.line, static_cast<int>(diagnostic.message.size()),
                     diagnostic.message.data());
    std::fprintf(stderr, "%.*s\n", static_cast<int>(proposal.size()), proposal.data());
    fuzz::fail("a proposal that is no configuration");
}

void check_written(const survey::Inventory& inventory, survey::Identity identity) {
    static std::vector<char> room(survey::inventory_text_size);
    const std::string_view text = survey::write_inventory(inventory, room, identity);
    try {
        require(::toml::parse(text).contains("schema"), "an inventory without a schema");
    } catch (const ::toml::parse_error& error) {
        std::fprintf(stderr, "%.*s\n%s\n", static_cast<int>(text.size()), text.data(), error.what());
        fuzz::fail("an inventory that is no TOML");
    }
}

} // namespace

void fuzz::try_input(Bytes input) {
    static const auto inventory = std::make_unique<survey::Inventory>();
    *inventory = {};
    Reader reader(input);
    const Cpuid cpuid = read_cpuid(reader);
    check_layout(cpuid);
    const auto tables = read_tables(reader);
    const std::vector<acpi::Bytes> views(tables.begin(), tables.end());
    survey::survey_acpi(*inventory, views, reader.take<u8>());
    survey::survey_processor(*inventory, cpuid);
    survey::apply_topology(*inventory, cpuid);
    survey_functions(*inventory, reader);
    const Bytes map = reader.bytes(reader.take<u8>() % 16 * 48);
    survey::survey_memory(*inventory, {map, 48});
    const Bytes smbios = reader.rest();
    static_cast<void>(survey::parse_smbios_entry(smbios));
    survey::survey_smbios(*inventory, smbios);
    survey::judge(*inventory, cpuid);
    check_written(*inventory, input.size() % 8 == 0 ? survey::Identity::LeftOut : survey::Identity::Written);
    check_proposal(*inventory);
}

std::vector<fuzz::Seed> fuzz::seeds() {
    using fakes::AcpiBuilder;
    AcpiBuilder madt = AcpiBuilder("APIC").u32v(0xfee0'0000).u32v(1);
    for (u8 id = 0; id < 8; ++id)
        madt.u8s({0, 8, id, id}).u32v(1);
    AcpiBuilder srat = AcpiBuilder("SRAT").u32v(1).u64v(0).u8s({0, 16, 1, 0}).u32v(1).u64v(0);
    srat.u8s({1, 40, 0, 0}).u32v(0).u64v(0x10'0000).u64v(0x1000'0000).u32v(0).u32v(1).u64v(0);
    AcpiBuilder dmar = AcpiBuilder("DMAR").u8s({38, 1}).pad_to(48).u16v(0).u16v(24).u32v(1).u64v(0xfed9'0000);
    dmar.u8s({1, 8, 0, 0, 0, 0, 2, 0}).u16v(1).u16v(32).u32v(0).u64v(0x7b80'0000).u64v(0x7fff'ffff).u64v(0x2'0000'0801);
    AcpiBuilder ivrs = AcpiBuilder("IVRS").pad_to(48).u8s({0x11, 0}).u16v(48).u32v(0).u64v(0xfeb8'0000).u64v(0);
    ivrs.u64v(0).u64v(0).u8s({3, 8, 0, 0, 4, 0xff, 0xff, 0});
    AcpiBuilder spcr = AcpiBuilder("SPCR").u32v(0).u8s({1, 8, 0, 0}).u64v(0x3f8).u8s({1, 4}).pad_to(80);
    AcpiBuilder dbg2 = AcpiBuilder("DBG2").u32v(44).u32v(1).u8s({0, 38, 0, 1}).u16v(4).u16v(38).pad_to(56);
    dbg2.u16v(0x8000).u16v(0).u16v(0).u16v(22).u16v(34).u8s({1, 8, 0, 0}).u64v(0x2f8).pad_to(96);
    Writer seed;
    seed.number(1, 1).number(0, 1).number(6, 1);
    for (const auto& table : {madt.table(), srat.table(), dmar.table(), ivrs.table(), spcr.table(), dbg2.table()})
        seed.number(table.size(), 2).bytes(table);
    seed.number(0, 1).number(1, 1).number(0x0100'0300, 4).number(24, 1).number(0x1234'8086, 4).number(0x0010'0007, 4);
    seed.number(0x0200'0001, 4)
        .number(0, 4)
        .number(0xfe00'0000, 4)
        .number(0x3f8 | 1, 4)
        .bytes(Seed(28))
        .number(0x40, 4);
    seed.bytes(Seed(8))
        .number(0x0003'4801, 4)
        .number(0, 4)
        .number(0x0002'0010, 4)
        .number(0x1000'0000, 4)
        .bytes(Seed(16));
    seed.number(2, 1);
    for (const auto& [start, pages] : {std::pair(0x10'0000, 0x8000), {0x1000'0000, 0x8'0000}})
        seed.number(7, 8)
            .number(static_cast<u64>(start), 8)
            .number(0, 8)
            .number(static_cast<u64>(pages), 8)
            .number(15, 8)
            .number(0, 8);
    constexpr std::string_view strings("Maker\0Machine \"X\"\0\0", 19);
    seed.number(1 | 27 << 8 | 1 << 16 | 2 << 24, 4).number(1 | 2 << 8, 4).number(1, 8).number(2, 8).number(0, 3);
    seed.bytes({reinterpret_cast<const u8*>(strings.data()), strings.size()}).number(127 | 4 << 8, 4).number(0, 2);
    Seed other = seed.seed();
    other[0] = 0;
    return {seed.seed(), other};
}

} // namespace bulkhead
