// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "boot/guest/start.hpp"

#include <algorithm>
#include <array>

#include "boot/guest/acpi_tables.hpp"
#include "boot/guest/kernel.hpp"
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

void add(GuestStart& start, GuestPhysical to, std::span<const u8> bytes) {
    if (!bytes.empty())
        static_cast<void>(start.segments.push_back({to, bytes})); // there is room for all of them
}

/// What is made for a guest, in its room.
struct Made {
    std::span<u8> low; ///< of either kind of boot
    std::span<u8> tables;
    std::span<u8> reset_code;
};

Made divide(std::span<u8> made, std::string_view cmdline, u32 vcpus) {
    const u64 low = linux_low_memory(cmdline);
    const u64 tables = tables_size(vcpus);
    return {made.first(low), made.subspan(low, tables), made.subspan(low + tables, reset_vector_code.size())};
}

void start_linux(const LinuxPlan& plan, const GuestSources& sources, std::span<u8> low, GuestStart& start) {
    start.entry = write_linux_boot(plan, sources.kernel, sources.cmdline, low);
    add(start, {0}, low);
    add(start, plan.kernel, sources.kernel.subspan(plan.image.payload_offset, plan.image.payload_size));
    add(start, plan.initrd, sources.initrd.bytes);
}

Result<void> start_direct(const DirectPlan& plan, const GuestSources& sources, std::span<u8> area, GuestStart& start) {
    StaticVector<std::string_view, max_loaded_files> texts;
    const auto add_module = [&](const GuestModule& module) {
        add(start, plan.modules[texts.size()].start, module.bytes);
        static_cast<void>(texts.push_back(module.text)); // the plan has as many
    };
    if (!sources.initrd.bytes.empty())
        add_module(sources.initrd);
    std::ranges::for_each(sources.modules, add_module);
    const Result<EntryState> entry = write_direct_boot(plan, sources.cmdline, texts.span(), area);
    if (!entry)
        return std::unexpected(entry.error());
    start.entry = *entry;
    add(start, direct_area, area);
    for (const ProgramPart& part : plan.program.parts)
        add(start, part.to, sources.kernel.subspan(part.offset, part.size));
    return {};
}

Result<KernelPlan> plan_sources(const GuestSources& sources) {
    StaticVector<u64, max_loaded_files> sizes;
    for (const GuestModule& module : sources.modules)
        if (!sizes.push_back(module.bytes.size()))
            return fail("too many modules", sources.modules.size());
    return plan_kernel({.format = sources.format,
                        .kernel = sources.kernel,
                        .initrd_size = sources.initrd.bytes.size(),
                        .module_sizes = sizes.span(),
                        .cmdline = sources.cmdline,
                        .memory = sources.memory});
}

} // namespace

u64 made_for_guest_size(std::string_view cmdline, u32 vcpus) {
    return linux_low_memory(cmdline) + tables_size(vcpus) + reset_vector_code.size();
}

Result<GuestStart> make_guest_start(const GuestSources& sources, std::span<u8> made) {
    const Result<KernelPlan> plan = plan_sources(sources);
    if (!plan)
        return std::unexpected(plan.error());
    const u64 room = made_for_guest_size(sources.cmdline, sources.vcpus);
    if (made.size() < room)
        return fail("no room to make the guest's tables: bytes needed", room);
    const auto& [low, tables, reset_code] = divide(made, sources.cmdline, sources.vcpus);
    const Result<u64> tables_used = build_acpi_tables(tables, sources.vcpus);
    if (!tables_used)
        return std::unexpected(tables_used.error());

    GuestStart start;
    std::ranges::copy(reset_vector_code, reset_code.begin());
    add(start, platform::firmware_area, tables.first(*tables_used));
    add(start, reset_vector, reset_code);
    if (const auto* linux_plan = std::get_if<LinuxPlan>(&*plan)) {
        start_linux(*linux_plan, sources, low, start);
        return start;
    }
    if (*tables_used > direct_area - platform::firmware_area)
        return fail("a guest that is no bzImage cannot have so many vCPUs", sources.vcpus);
    if (const auto done = start_direct(*std::get_if<DirectPlan>(&*plan), sources, low.first(direct_area_size), start);
        !done)
        return std::unexpected(done.error());
    return start;
}

} // namespace bulkhead
