// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "mm/guest_memory_map.hpp"

#include <algorithm>

namespace bulkhead {

using namespace guest_layout;

namespace {

bool wraps(u64 start, u64 size) { return size > ~u64{0} - start; }

Result<void> check(const MemoryChunk& chunk) {
    if (((chunk.guest.value | chunk.host.value | chunk.size) & (large_page_size - 1)) != 0 || chunk.size == 0)
        return fail("guest memory: addresses and sizes must be multiples of 2 MiB, no size 0", chunk.guest.value);
    if (wraps(chunk.guest.value, chunk.size) || wraps(chunk.host.value, chunk.size))
        return fail("guest memory: a chunk wraps around the end of the address space", chunk.guest.value);
    return {};
}

} // namespace

Result<GuestMemoryMap> GuestMemoryMap::create(std::span<const MemoryChunk> chunks) {
    GuestMemoryMap map;
    map.chunks_ = chunks;
    for (const MemoryChunk& chunk : chunks) {
        if (const auto checked = check(chunk); !checked)
            return std::unexpected(checked.error());
        const bool high = chunk.guest >= device_hole_end;
        GuestPhysical& end = high ? map.high_end_ : map.low_end_;
        // Nothing low may follow what is high: classify() and translate() rely on the order.
        if (chunk.guest != end || (!high && map.high_end_ != device_hole_end))
            return fail("guest memory: a chunk does not begin where the one before it ends", chunk.guest.value);
        end += chunk.size;
        if (map.low_end_ > device_hole)
            return fail("guest memory: a chunk reaches into the hole below 4 GiB", chunk.guest.value);
    }
    if (map.low_end_ == GuestPhysical{})
        return fail("guest memory: there must be RAM at 0");
    return map;
}

u64 GuestMemoryMap::total() const {
    if (low_end_ == GuestPhysical{})
        return 0;
    return low_end_.value - (legacy_hole_end - legacy_hole) + (high_end_ - device_hole_end);
}

GuestAddressClass GuestMemoryMap::classify_hole(GuestPhysical address) {
    if (address < absent_devices)
        return GuestAddressClass::NotTheGuests;
    if (address - io_apic < page_size)
        return GuestAddressClass::IoApic;
    return address.align_down(page_size) == local_apic ? GuestAddressClass::LocalApic : GuestAddressClass::AbsentDevice;
}

GuestPhysical GuestMemoryMap::end_of_ram(GuestPhysical address) const {
    if (address < legacy_hole)
        return legacy_hole;
    return address < low_end_ ? low_end_ : high_end_;
}

bool GuestMemoryMap::is_ram(GuestPhysical address, u64 size) const {
    return classify(address) == GuestAddressClass::Ram && size <= end_of_ram(address) - address;
}

std::optional<PhysicalRange> GuestMemoryMap::translate(GuestPhysical address) const {
    if (classify(address) != GuestAddressClass::Ram)
        return std::nullopt;
    // classify() found it to be in a chunk, and chunks are few.
    const auto behind = [address](const MemoryChunk& chunk) { return chunk.guest + (chunk.size - 1) >= address; };
    const auto chunk = std::find_if(chunks_.begin(), chunks_.end(), behind);
    const u64 offset = address - chunk->guest;
    return PhysicalRange{chunk->host + offset, std::min(chunk->size - offset, end_of_ram(address) - address)};
}

StaticVector<GuestMemoryRange, GuestMemoryMap::max_ranges> GuestMemoryMap::ranges() const {
    StaticVector<GuestMemoryRange, max_ranges> result;
    const auto add = [&result](GuestPhysical start, GuestPhysical end, bool usable) {
        if (start < end)
            static_cast<void>(result.push_back({start, end - start, usable})); // there are four at most
    };
    if (low_end_ == GuestPhysical{})
        return result;
    add({}, legacy_hole, true);
    add(bios_area, bios_area_end, false);
    add(bios_area_end, low_end_, true);
    add(device_hole_end, high_end_, true);
    return result;
}

} // namespace bulkhead
