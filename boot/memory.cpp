// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "boot/memory.hpp"

#include <algorithm>

namespace bulkhead::boot {

namespace {

/// Descriptors by which the map may grow from prepare() to the end.
constexpr u64 room_to_grow = 256;

UINTN pages(u64 size) { return align_up(size, page_size) / page_size; }

} // namespace

Result<void> FirmwareMemory::prepare() {
    UINTN size = 0;
    UINTN stride = 0;
    UINT32 version = 0;
    const EFI_STATUS status = firmware_.boot->GetMemoryMap(&size, nullptr, &key_, &stride, &version);
    if (status != EFI_BUFFER_TOO_SMALL || stride == 0)
        return fail("the firmware does not give its memory map", status);
    const u64 capacity = size / stride + room_to_grow;
    const u64 map_bytes = align_up(capacity * stride, page_size);
    const u64 free_bytes = capacity * sizeof(PhysicalRange);
    EFI_PHYSICAL_ADDRESS address = 0;
    if (failed(firmware_.boot->AllocatePages(AllocateAnyPages, EfiLoaderData, pages(map_bytes + free_bytes), &address)))
        return fail("out of memory for the memory map", map_bytes + free_bytes);
    buffer_ = at_physical<u8>({address}, map_bytes);
    free_ = at_physical<PhysicalRange>({address + map_bytes}, capacity);
    return {};
}

Result<FirmwareMap> FirmwareMemory::map() {
    UINTN size = buffer_.size();
    UINTN stride = 0;
    UINT32 version = 0;
    auto* descriptors = reinterpret_cast<EFI_MEMORY_DESCRIPTOR*>(buffer_.data());
    const EFI_STATUS status = firmware_.boot->GetMemoryMap(&size, descriptors, &key_, &stride, &version);
    if (failed(status))
        return fail("the firmware does not give its memory map", status);
    return FirmwareMap{.bytes = buffer_.first(size), .stride = stride};
}

Result<std::span<PhysicalRange>> FirmwareMemory::free() {
    const auto now = map();
    if (!now)
        return std::unexpected(now.error());
    return free_memory(*now, free_);
}

bool FirmwareMemory::is_kept_free(const PhysicalRange& range) const {
    return std::ranges::any_of(kept_free_, [&](const Located<PhysicalRange>& kept) {
        return kept.value.start < range.end() && range.start < kept.value.end();
    });
}

Result<std::span<const PhysicalRange>> FirmwareMemory::free_for_us() {
    const auto ranges = free();
    if (!ranges)
        return std::unexpected(ranges.error());
    u64 count = ranges->size();
    for (const Located<PhysicalRange>& kept : kept_free_)
        count = cut_out(free_, count, kept.value);
    return free_.first(count);
}

Result<std::span<PhysicalRange>> FirmwareMemory::free_but(u64 size) {
    const auto ranges = free_for_us();
    if (!ranges)
        return std::unexpected(ranges.error());
    const auto held_back = choose_block(*ranges, size, page_size, anywhere);
    if (!held_back)
        return fail("out of memory: the firmware and the hand-off need, bytes", size);
    const auto now = free();
    if (!now)
        return std::unexpected(now.error());
    return free_.first(cut_out(free_, now->size(), {*held_back, size}));
}

Result<HostPhysical> FirmwareMemory::take(u64 size, u64 alignment, u64 limit) {
    const auto ranges = free_for_us();
    if (!ranges)
        return std::unexpected(ranges.error());
    const auto block = choose_block(*ranges, align_up(size, page_size), alignment, limit);
    if (!block)
        return fail("out of memory: there is no free block of so many bytes", size);
    if (const auto taken = take_at(*block, size); !taken)
        return std::unexpected(taken.error());
    return *block;
}

Result<HostPhysical> FirmwareMemory::take_low_page() {
    constexpr u64 highest = 0x9ffff;
    for (int attempt = 0; attempt < 2; ++attempt) { // page 0 is kept for good where the firmware gives it
        EFI_PHYSICAL_ADDRESS address = highest;
        if (failed(firmware_.boot->AllocatePages(AllocateMaxAddress, EfiLoaderData, 1, &address)))
            break;
        if (address != 0)
            return HostPhysical{address};
    }
    return fail("no free page below 640 KiB, where the other processors start");
}

Result<void> FirmwareMemory::take_at(HostPhysical address, u64 size) {
    EFI_PHYSICAL_ADDRESS wanted = address.value;
    if (failed(firmware_.boot->AllocatePages(AllocateAddress, EfiLoaderData, pages(size), &wanted)))
        return fail("the firmware does not give memory that it says is free", address.value);
    return {};
}

} // namespace bulkhead::boot
