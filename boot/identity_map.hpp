// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// The firmware's page tables, seen as what they are: tables. A damaged ACPI pointer, or device registers that the
// firmware did not map, must not end in a page fault.
#pragma once

#include <span>

#include "arch/x86_64/instructions.hpp"
#include "boot/firmware.hpp"
#include "mm/format_host.hpp"
#include "mm/page_table.hpp"

namespace bulkhead::boot {

/// Tables in memory that is mapped one to one.
struct DirectAccess {
    [[nodiscard]] u64 read(HostPhysical address) const { return *at_physical<volatile u64>(address); }
    void write(HostPhysical address, u64 value) const { *at_physical<volatile u64>(address) = value; }
};

/// For tables that are only read.
struct NoFrames {
    Result<HostPhysical> allocate() { return fail("the firmware's page tables are not ours to change"); }
};

class IdentityMap {
public:
    /// True if [address, address + size) is mapped one to one.
    [[nodiscard]] bool covers(HostPhysical address, u64 size) const;

    /// acpi::PhysicalMemory: empty where not all of it is mapped one to one.
    [[nodiscard]] std::span<const u8> bytes(HostPhysical address, u64 size) const {
        return covers(address, size) ? at_physical<const u8>(address, size) : std::span<const u8>{};
    }
};

} // namespace bulkhead::boot
