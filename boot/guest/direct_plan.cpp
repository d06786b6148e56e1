// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include <algorithm>

#include "boot/guest/direct_boot.hpp"
#include "devices/platform.hpp"

namespace bulkhead {

namespace {

constexpr bool overlap(GuestRange a, GuestRange b) { return a.start < b.end() && b.start < a.end(); }

Result<Program> parse(KernelFormat format, std::span<const u8> kernel) {
    switch (format) {
    case KernelFormat::Pvh:
        return parse_pvh(kernel);
    case KernelFormat::Multiboot:
        return parse_multiboot(kernel);
    case KernelFormat::Flat:
        return parse_flat(kernel);
    case KernelFormat::Auto:
    case KernelFormat::BzImage:
        break;
    }
    return fail("a bzImage is started otherwise");
}

/// RAM that is the guest's own from the start: not the part that firmware would have written.
bool is_free(const GuestRam& ram, GuestRange range) {
    const auto has = [&](const GuestRange& piece) { return range.start >= piece.start && range.end() <= piece.end(); };
    const bool below = range.end() <= guest_layout::legacy_hole;
    return (below || range.start >= guest_layout::bios_area_end) && std::ranges::any_of(ram, has);
}

GuestRange range_of(const ProgramPart& part) { return {part.to, part.memory_size}; }

Result<void> check_parts(const Program& program, const GuestRam& ram) {
    const auto parts = program.parts.span();
    bool has_entry = false;
    for (std::size_t i = 0; i < parts.size(); ++i) {
        const GuestRange range = range_of(parts[i]);
        if (overlap(range, {guest_layout::bios_area, guest_layout::bios_area_end - guest_layout::bios_area}))
            return fail("the kernel wants to be where the guest's ACPI tables and start information are: address",
                        range.start.value);
        if (!is_free(ram, range))
            return fail("the kernel wants to be where the guest has no RAM: address", range.start.value);
        for (const ProgramPart& other : parts.first(i))
            if (overlap(range, range_of(other)))
                return fail("two parts of the kernel overlap: address", range.start.value);
        has_entry |= overlap(range, {program.entry, 1});
    }
    if (!has_entry)
        return fail("the kernel's entry is not in what is loaded of it: address", program.entry.value);
    return {};
}

/// The highest page-aligned place from 1 MiB on and below the devices that nobody has.
Result<GuestRange> place_module(const DirectPlan& plan, u64 size) {
    for (std::size_t i = plan.ram.size(); i-- > 0;) {
        const GuestPhysical from = std::max(plan.ram[i].start, guest_layout::bios_area_end);
        GuestPhysical end = std::min(plan.ram[i].end(), guest_layout::device_hole);
        while (end > from && end - from >= size) {
            const GuestRange place{(end - size).align_down(page_size), size};
            if (place.start < from)
                break;
            GuestPhysical lowest = end;
            for (const ProgramPart& part : plan.program.parts)
                if (overlap(place, range_of(part)))
                    lowest = std::min(lowest, part.to);
            for (const GuestRange& module : plan.modules)
                if (overlap(place, module))
                    lowest = std::min(lowest, module.start);
            if (lowest == end)
                return place;
            end = lowest;
        }
    }
    return fail("the guest's memory below 4 GiB has no room for its initrd or a module: bytes needed", size);
}

} // namespace

Result<DirectPlan> plan_direct_boot(KernelFormat format, std::span<const u8> kernel, std::span<const u64> sizes,
                                    std::string_view cmdline, std::span<const MemoryChunk> memory) {
    const Result<Program> program = parse(format, kernel);
    if (!program)
        return std::unexpected(program.error());
    const Result<GuestRam> ram = merge_guest_ram(memory);
    if (!ram)
        return std::unexpected(ram.error());
    if (const auto good = check_parts(*program, *ram); !good)
        return std::unexpected(good.error());
    constexpr u64 longest_cmdline = 2047; // as a bzImage takes
    if (cmdline.size() > longest_cmdline)
        return fail("the command line is longer than the kernel can take: bytes", cmdline.size());
    DirectPlan plan{format, *program, *ram, {}};
    for (const u64 size : sizes) {
        const Result<GuestRange> place = place_module(plan, size);
        if (!place)
            return std::unexpected(place.error());
        if (!plan.modules.push_back(*place))
            return fail("too many modules", sizes.size());
    }
    return plan;
}

} // namespace bulkhead
