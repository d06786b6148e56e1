// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// MADT: processors and interrupt controllers (ACPI 6.5 5.2.12).
#pragma once

#include "boot/acpi.hpp"
#include "boot/boot_info.hpp"

namespace bulkhead::acpi {

/// How many entries a MADT has at most: what its reader must provide room for.
struct MadtCounts {
    u64 cpus = 0;
    u64 io_apics = 0;
    u64 overrides = 0;
};

/// Room for the entries, provided by the caller.
struct MadtStorage {
    std::span<CpuInfo> cpus;
    std::span<IoApicInfo> io_apics;
    std::span<InterruptOverride> overrides;
};

struct Madt {
    std::span<CpuInfo> cpus; ///< enabled ones, each APIC ID once, in the order of the table
    std::span<IoApicInfo> io_apics;
    std::span<InterruptOverride> overrides;
    HostPhysical local_apic; ///< the address override applied
    bool has_8259 = false;   ///< PCAT_COMPAT
    bool damaged = false;    ///< an entry was too short, or reached beyond the table: it was left out
};

/// `table` is a whole MADT, header included.
[[nodiscard]] MadtCounts count_madt(Bytes table);

/// Reads a whole MADT into `storage`; entries beyond its room are left out and reported as damage. `core` and `package`
/// of the processors are left 0: the APIC ID's layout is CPUID's to say.
[[nodiscard]] Madt parse_madt(Bytes table, const MadtStorage& storage);

/// Moves the processor with this APIC ID to the front, the others keep their order. False: it is not in the list.
[[nodiscard]] bool put_first(std::span<CpuInfo> cpus, u32 apic_id);

} // namespace bulkhead::acpi
