// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "boot/memory_map.hpp"

#include <algorithm>
#include <cstring>

namespace bulkhead::boot {

namespace {

/// UEFI 2.10 7.2.3: EFI_MEMORY_DESCRIPTOR, version 1.
struct Descriptor {
    u32 type;
    u32 padding;
    u64 physical_start;
    u64 virtual_start;
    u64 number_of_pages;
    u64 attribute;
};
static_assert(sizeof(Descriptor) == 40);

/// EFI_MEMORY_TYPE, UEFI 2.10 table 7.6.
enum FirmwareType : u32 {
    BootServicesCode = 3,
    BootServicesData = 4,
    RuntimeServicesCode = 5,
    RuntimeServicesData = 6,
    Conventional = 7,
    Unusable = 8,
    AcpiReclaim = 9,
    AcpiNvs = 10,
    MemoryMappedIo = 11,
    MemoryMappedIoPorts = 12,
};

/// EFI_MEMORY_SP: set aside by the firmware for a special purpose.
constexpr u64 specific_purpose = 0x40000;
/// x86-64 has at most 52 bits of physical address.
constexpr u64 physical_limit = u64{1} << 52;

MemoryType type_of(const Descriptor& descriptor) {
    if ((descriptor.attribute & specific_purpose) != 0)
        return MemoryType::Reserved;
    switch (descriptor.type) {
    case BootServicesCode:
    case BootServicesData:
    case Conventional:
        return MemoryType::Usable;
    case RuntimeServicesCode:
        return MemoryType::RuntimeCode;
    case RuntimeServicesData:
        return MemoryType::RuntimeData;
    case Unusable:
        return MemoryType::Unusable;
    case AcpiReclaim:
        return MemoryType::AcpiReclaim;
    case AcpiNvs:
        return MemoryType::AcpiNvs;
    case MemoryMappedIo:
    case MemoryMappedIoPorts:
        return MemoryType::Mmio;
    }
    return MemoryType::Reserved; // the loader's own, and every type that is newer than this table
}

Descriptor descriptor_at(const FirmwareMap& map, u64 index) {
    Descriptor descriptor{};
    std::memcpy(&descriptor, map.bytes.data() + index * map.stride, sizeof descriptor);
    return descriptor;
}

/// Empty and impossible ranges are not memory.
bool is_sane(const Descriptor& descriptor) {
    return descriptor.number_of_pages != 0 && descriptor.physical_start % page_size == 0 &&
           descriptor.physical_start < physical_limit &&
           descriptor.number_of_pages <= (physical_limit - descriptor.physical_start) / page_size;
}

u64 end_of(const PhysicalRange& range) { return range.end().value; }

/// Cuts usable ranges so that they overlap nothing. `ranges` is sorted by start.
void cut_overlaps(std::span<MemoryRange> ranges) {
    u64 reserved_end = 0; // of everything so far that is not usable
    for (u64 i = 0; i < ranges.size(); ++i) {
        MemoryRange& range = ranges[i];
        if (range.type != MemoryType::Usable) {
            reserved_end = std::max(reserved_end, end_of(range.range));
            continue;
        }
        const u64 start = std::max(range.range.start.value, reserved_end);
        u64 end = end_of(range.range);
        // Whatever starts inside ends it: what is left beyond a reserved range in the middle is not worth having.
        for (u64 next = i + 1; next < ranges.size() && ranges[next].range.start.value < end; ++next)
            end = ranges[next].range.start.value;
        range.range = {{start}, end > start ? end - start : 0};
    }
}

/// Merges neighbours and drops empty ranges; returns how many are left.
u64 merge(std::span<MemoryRange> ranges) {
    u64 used = 0;
    for (const MemoryRange& range : ranges) {
        if (range.range.size == 0)
            continue;
        if (used > 0 && ranges[used - 1].type == range.type &&
            end_of(ranges[used - 1].range) == range.range.start.value)
            ranges[used - 1].range.size += range.range.size;
        else
            ranges[used++] = range;
    }
    return used;
}

std::unexpected<Error> bad_map(const FirmwareMap& map) {
    return fail("the firmware's memory map has descriptors of an impossible size", map.stride);
}

} // namespace

Result<std::span<MemoryRange>> convert_memory_map(const FirmwareMap& map, std::span<MemoryRange> storage) {
    if (map.stride < sizeof(Descriptor))
        return bad_map(map);
    if (storage.size() < map.count())
        return fail("no room for the firmware's memory map", map.count());
    u64 used = 0;
    for (u64 i = 0; i < map.count(); ++i) {
        const Descriptor descriptor = descriptor_at(map, i);
        if (is_sane(descriptor))
            storage[used++] = {.range = {{descriptor.physical_start}, descriptor.number_of_pages * page_size},
                               .type = type_of(descriptor)};
    }
    const std::span<MemoryRange> ranges = storage.first(used);
    std::ranges::sort(ranges, {}, [](const MemoryRange& range) { return range.range.start; });
    cut_overlaps(ranges);
    return ranges.first(merge(ranges));
}

Result<std::span<PhysicalRange>> free_memory(const FirmwareMap& map, std::span<PhysicalRange> storage) {
    if (map.stride < sizeof(Descriptor))
        return bad_map(map);
    if (storage.size() < map.count())
        return fail("no room for the firmware's memory map", map.count());
    u64 used = 0;
    for (u64 i = 0; i < map.count(); ++i) {
        const Descriptor descriptor = descriptor_at(map, i);
        if (!is_sane(descriptor) || descriptor.type != Conventional || (descriptor.attribute & specific_purpose) != 0)
            continue;
        const u64 start = std::max(descriptor.physical_start, MiB);
        const u64 end = descriptor.physical_start + descriptor.number_of_pages * page_size;
        if (end > start)
            storage[used++] = {{start}, end - start};
    }
    const std::span<PhysicalRange> ranges = storage.first(used);
    std::ranges::sort(ranges, {}, &PhysicalRange::start);
    u64 merged = 0;
    for (const PhysicalRange& range : ranges) {
        if (merged > 0 && end_of(ranges[merged - 1]) >= range.start.value)
            ranges[merged - 1].size =
                std::max(end_of(ranges[merged - 1]), end_of(range)) - ranges[merged - 1].start.value;
        else
            ranges[merged++] = range;
    }
    return ranges.first(merged);
}

std::optional<HostPhysical> choose_block(std::span<const PhysicalRange> free, u64 size, u64 alignment, u64 limit) {
    std::optional<HostPhysical> best;
    u64 best_size = ~u64{0};
    for (const PhysicalRange& range : free) {
        const u64 end = std::min(end_of(range), limit);
        if (end < size || range.size >= best_size)
            continue;
        const u64 start = align_down(end - size, alignment);
        if (start < range.start.value)
            continue;
        best = HostPhysical{start};
        best_size = range.size;
    }
    return best;
}

u64 cut_out(std::span<PhysicalRange> storage, u64 count, const PhysicalRange& range) {
    u64 used = 0;
    PhysicalRange behind; // of the one range that becomes two
    for (u64 i = 0; i < count; ++i) {
        const PhysicalRange old = storage[i];
        const PhysicalRange front{old.start, std::min(end_of(old), std::max(range.start.value, old.start.value)) -
                                                 old.start.value};
        const u64 back = std::max(old.start.value, std::min(end_of(range), end_of(old)));
        const PhysicalRange rest{{back}, end_of(old) - back};
        if (range.size == 0 || front.size == old.size || rest.size == old.size) {
            storage[used++] = old;
            continue;
        }
        if (front.size != 0)
            storage[used++] = front;
        if (front.size != 0 && rest.size != 0)
            behind = rest;
        else if (rest.size != 0)
            storage[used++] = rest;
    }
    if (behind.size == 0 || used == storage.size())
        return used;
    storage[used++] = behind;
    std::ranges::sort(storage.first(used), {}, &PhysicalRange::start);
    return used;
}

} // namespace bulkhead::boot
