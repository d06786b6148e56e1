// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// The firmware's memory map on its way to the hypervisor: sorted, merged, without what is damaged.
#pragma once

#include <optional>
#include <span>

#include "base/result.hpp"
#include "boot/boot_info.hpp"

namespace bulkhead::boot {

/// A memory map as GetMemoryMap returns it (UEFI 2.10 7.2.3): descriptors that are `stride` bytes apart.
struct FirmwareMap {
    std::span<const u8> bytes;
    u64 stride = 0;

    [[nodiscard]] u64 count() const { return stride == 0 ? 0 : bytes.size() / stride; }
};

/// The hypervisor's memory map after ExitBootServices: what only boot services used is usable, everything that the
/// loader allocated is reserved. Sorted by address, neighbours of one type merged, usable memory that overlaps anything
/// else cut. Returns the used part of `storage`, which must have room for `map.count()` ranges.
[[nodiscard]] Result<std::span<MemoryRange>> convert_memory_map(const FirmwareMap& map, std::span<MemoryRange> storage);

/// What is free while boot services still run (EfiConventionalMemory), at 1 MiB and above, sorted and merged.
/// Returns the used part of `storage`, which must have room for `map.count()` ranges.
[[nodiscard]] Result<std::span<PhysicalRange>> free_memory(const FirmwareMap& map, std::span<PhysicalRange> storage);

/// The highest aligned block of `size` bytes below `limit` in the smallest free range that has one: what the loader
/// needs shall not break up the ranges that guests can use with large pages. `alignment` is a power of two.
[[nodiscard]] std::optional<HostPhysical> choose_block(std::span<const PhysicalRange> free, u64 size, u64 alignment,
                                                       u64 limit);

/// Takes `range` out of the `count` sorted ranges at the front of `storage` and returns how many there are then, still
/// sorted. Where a range becomes two and there is no room, the part behind is lost.
[[nodiscard]] u64 cut_out(std::span<PhysicalRange> storage, u64 count, const PhysicalRange& range);

} // namespace bulkhead::boot
