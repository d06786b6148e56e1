// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "boot/guest/start.hpp"

#include <algorithm>
#include <array>

#include "boot/guest/acpi_tables.hpp"
#include "boot/guest/linux_boot.hpp"
#include "devices/platform.hpp"

namespace bulkhead {

namespace {

/// The code at a PC's reset vector, FFFF:0 (0xffff0), in real mode: writes reset_value to reset_port and halts. Linux
/// jumps there when it is to restart a hardware-reduced machine without EFI, before it tries the FADT's reset register.
constexpr GuestPhysical reset_vector{0xffff0};
constexpr std::array<u8, 9> reset_vector_code{
    0xba,
    platform::reset_port & 0xff,
    platform::reset_port >> 8, // mov dx, reset_port
    0xb0,
    platform::reset_value, // mov al, reset_value
    0xee,                  // out dx, al
    0xf4,
    0xeb,
    0xfd, // hlt; jmp to it
};

/// The tables end below the reset vector.
u64 tables_size(u32 vcpus) { return std::min(acpi_tables_size(vcpus), reset_vector - platform::firmware_area); }

} // namespace

u64 made_for_guest_size(std::string_view cmdline, u32 vcpus) {
    return linux_low_memory(cmdline) + tables_size(vcpus) + reset_vector_code.size();
}

Result<GuestStart> make_guest_start(const GuestSources& sources, std::span<u8> made) {
    const auto& [kernel, initrd, cmdline, memory, vcpus] = sources;
    const Result<LinuxPlan> plan = plan_linux_boot(kernel, initrd.size(), cmdline, memory);
    if (!plan)
        return std::unexpected(plan.error());
    if (made.size() < made_for_guest_size(cmdline, vcpus))
        return fail("no room to make the guest's tables: bytes needed", made_for_guest_size(cmdline, vcpus));
    const std::span<u8> low = made.first(linux_low_memory(cmdline));
    const std::span<u8> tables = made.subspan(low.size(), tables_size(vcpus));
    const std::span<u8> reset_code = made.subspan(low.size() + tables.size(), reset_vector_code.size());
    const Result<u64> tables_used = build_acpi_tables(tables, vcpus);
    if (!tables_used)
        return std::unexpected(tables_used.error());

    GuestStart start;
    std::ranges::copy(reset_vector_code, reset_code.begin());
    start.entry = write_linux_boot(*plan, kernel, cmdline, low);
    for (const StartSegment& segment :
         {StartSegment{{0}, low}, StartSegment{platform::firmware_area, tables.first(*tables_used)},
          StartSegment{reset_vector, reset_code},
          StartSegment{plan->kernel, kernel.subspan(plan->image.payload_offset, plan->image.payload_size)},
          StartSegment{plan->initrd, initrd}})
        if (!segment.bytes.empty())
            static_cast<void>(start.segments.push_back(segment)); // there is room for all of them
    return start;
}

} // namespace bulkhead
