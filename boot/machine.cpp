// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "boot/machine.hpp"

#include <cstring>

#include "arch/x86_64/cpuid.hpp"
#include "arch/x86_64/hardware.hpp"
#include "boot/acpi_madt.hpp"
#include "boot/acpi_platform.hpp"
#include "boot/acpi_srat.hpp"
#include "boot/identity_map.hpp"
#include "boot/topology.hpp"
#include "boot/unix_time.hpp"

namespace bulkhead::boot {

namespace {

/// No machine has more; a table that claims so gets what fits.
constexpr u64 max_iommus = 64;

/// Zeroed memory for a list. It belongs to the firmware's pool and vanishes with boot services.
template <class T> Result<std::span<T>> make_list(const Firmware& firmware, u64 count) {
    if (count == 0)
        return std::span<T>{};
    void* memory = nullptr;
    if (failed(firmware.boot->AllocatePool(EfiLoaderData, count * sizeof(T), &memory)))
        return fail("out of memory for a list of the machine's parts", count);
    std::memset(memory, 0, count * sizeof(T));
    return std::span<T>(static_cast<T*>(memory), count);
}

Result<void> read_madt(const Firmware& firmware, acpi::Bytes table, MachineFacts& facts) {
    const acpi::MadtCounts counts = acpi::count_madt(table);
    const auto cpus = make_list<CpuInfo>(firmware, counts.cpus);
    const auto io_apics = make_list<IoApicInfo>(firmware, counts.io_apics);
    const auto overrides = make_list<InterruptOverride>(firmware, counts.overrides);
    if (!cpus || !io_apics || !overrides)
        return fail("out of memory for the MADT's lists", counts.cpus);
    const acpi::Madt madt = acpi::parse_madt(table, {*cpus, *io_apics, *overrides});
    if (madt.damaged)
        firmware.console.say("warning: the firmware's MADT is damaged, parts of it were left out");
    const u32 own = own_apic_id(arch::this_cpuid);
    if (!acpi::put_first(madt.cpus, own))
        return fail("the firmware's MADT does not list the processor that runs, APIC ID", own);
    apply_layout(madt.cpus, apic_id_layout(arch::this_cpuid));
    facts.cpus = madt.cpus;
    facts.io_apics = madt.io_apics;
    facts.overrides = madt.overrides;
    facts.acpi.local_apic = madt.local_apic;
    facts.acpi.has_8259 = madt.has_8259;
    return {};
}

/// Which processors and which memory are near to each other, where the firmware says so.
Result<void> read_srat(const Firmware& firmware, const IdentityMap& memory, const acpi::RootTables& roots,
                       MachineFacts& facts) {
    const auto table = find_table(memory, roots, "SRAT");
    if (!table)
        return {};
    const auto nodes = make_list<NodeMemory>(firmware, acpi::count_srat_memory(*table));
    if (!nodes)
        return std::unexpected(nodes.error());
    facts.nodes = acpi::parse_srat(*table, facts.cpus, *nodes);
    return {};
}

/// The tables that a machine may lack.
Result<void> read_optional_tables(const Firmware& firmware, const IdentityMap& memory, const acpi::RootTables& roots,
                                  MachineFacts& facts) {
    if (const auto fadt = find_table(memory, roots, "FACP")) {
        facts.pm_timer = acpi::parse_fadt(*fadt);
        const acpi::ResetRegister reset = acpi::parse_reset_register(*fadt);
        facts.acpi.reset_port = reset.port;
        facts.acpi.reset_value = reset.value;
    }
    if (const auto hpet = find_table(memory, roots, "HPET"))
        facts.acpi.hpet = acpi::parse_hpet(*hpet);
    const auto mcfg = find_table(memory, roots, "MCFG");
    const auto ecam = make_list<EcamInfo>(firmware, mcfg ? acpi::count_mcfg(*mcfg) : 0);
    const auto vtd = make_list<HostPhysical>(firmware, max_iommus);
    const auto amd = make_list<HostPhysical>(firmware, max_iommus);
    if (!ecam || !vtd || !amd)
        return fail("out of memory for the lists of PCI segments and IOMMUs");
    if (mcfg)
        facts.ecam = acpi::parse_mcfg(*mcfg, *ecam);
    if (const auto dmar = find_table(memory, roots, "DMAR")) {
        facts.acpi.has_dmar = 1;
        facts.vtd_iommus = acpi::parse_dmar(*dmar, *vtd);
    }
    if (const auto ivrs = find_table(memory, roots, "IVRS")) {
        facts.acpi.has_ivrs = 1;
        facts.amd_iommus = acpi::parse_ivrs(*ivrs, *amd);
    }
    return {};
}

Result<void> read_acpi(const Firmware& firmware, MachineFacts& facts) {
    const IdentityMap memory;
    facts.acpi.rsdp = configuration_table(firmware, ACPI_20_TABLE_GUID, ACPI_TABLE_GUID);
    if (facts.acpi.rsdp.value == 0)
        return fail("the firmware has no ACPI tables");
    const auto roots = acpi::parse_rsdp(memory.bytes(facts.acpi.rsdp, acpi::rsdp_size));
    if (!roots)
        return std::unexpected(roots.error());
    const auto madt = find_table(memory, *roots, "APIC");
    if (!madt)
        return fail("the firmware has no MADT, the ACPI table that lists the processors, or a damaged one");
    if (const auto done = read_madt(firmware, *madt, facts); !done)
        return done;
    if (const auto done = read_srat(firmware, memory, *roots, facts); !done)
        return done;
    return read_optional_tables(firmware, memory, *roots, facts);
}

WallClock read_wall_clock(const Firmware& firmware) {
    EFI_TIME time{};
    const EFI_STATUS status = firmware.table->RuntimeServices->GetTime(&time, nullptr);
    const u64 tsc = arch::read_tsc();
    if (failed(status))
        return {};
    return {.unix_seconds = unix_seconds({.year = time.Year,
                                          .month = time.Month,
                                          .day = time.Day,
                                          .hour = time.Hour,
                                          .minute = time.Minute,
                                          .second = time.Second,
                                          .timezone = time.TimeZone}),
            .tsc = tsc};
}

} // namespace

HostPhysical configuration_table(const Firmware& firmware, EFI_GUID guid) {
    for (UINTN i = 0; i < firmware.table->NumberOfTableEntries; ++i) {
        const EFI_CONFIGURATION_TABLE& entry = firmware.table->ConfigurationTable[i];
        if (std::memcmp(&entry.VendorGuid, &guid, sizeof guid) == 0)
            return physical_of(entry.VendorTable);
    }
    return {};
}

HostPhysical configuration_table(const Firmware& firmware, EFI_GUID preferred, EFI_GUID other) {
    const HostPhysical found = configuration_table(firmware, preferred);
    return found.value != 0 ? found : configuration_table(firmware, other);
}

FramebufferInfo read_framebuffer(const Firmware& firmware) {
    const auto* gop = first_protocol<EFI_GRAPHICS_OUTPUT_PROTOCOL>(firmware, EFI_GRAPHICS_OUTPUT_PROTOCOL_GUID);
    if (gop == nullptr || gop->Mode == nullptr || gop->Mode->Info == nullptr ||
        gop->Mode->Info->PixelFormat == PixelBltOnly)
        return {};
    return {.address = {gop->Mode->FrameBufferBase},
            .size = gop->Mode->FrameBufferSize,
            .width = gop->Mode->Info->HorizontalResolution,
            .height = gop->Mode->Info->VerticalResolution,
            .pixels_per_line = gop->Mode->Info->PixelsPerScanLine,
            .format = static_cast<u32>(gop->Mode->Info->PixelFormat)};
}

Result<MachineFacts> discover_machine(const Firmware& firmware) {
    constexpr u64 cr4_la57 = 1u << 12;
    if ((arch::read_cr4() & cr4_la57) != 0)
        return fail("the firmware left 5-level paging (LA57) on, which is not supported: switch it off in its setup");
    if ((arch::cpuid(0x8000'0001).edx & bit_of(CpuFeature::NX)) == 0) // the hypervisor's tables have such pages
        return fail(
            "this CPU has no no-execute pages, or the firmware hides them (CPUID 8000_0001h EDX.NX is 0): switch "
            "\"Execute Disable\" or \"NX\" on in its setup");
    MachineFacts facts;
    if (const auto done = read_acpi(firmware, facts); !done)
        return std::unexpected(done.error());
    facts.smbios = configuration_table(firmware, SMBIOS3_TABLE_GUID, SMBIOS_TABLE_GUID);
    facts.framebuffer = read_framebuffer(firmware);
    facts.wall_clock = read_wall_clock(firmware);
    return facts;
}

bool secure_boot(const Firmware& firmware) {
    CHAR16 name[] = {'S', 'e', 'c', 'u', 'r', 'e', 'B', 'o', 'o', 't', 0};
    EFI_GUID guid = EFI_GLOBAL_VARIABLE;
    u8 value = 0;
    UINTN size = sizeof value;
    return !failed(firmware.table->RuntimeServices->GetVariable(name, &guid, nullptr, &size, &value)) && value == 1;
}

} // namespace bulkhead::boot
