// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#pragma once

#include <optional>
#include <span>

#include "base/result.hpp"
#include "base/static_vector.hpp"
#include "mm/guest_layout.hpp"
#include "mm/memory_chunk.hpp"
#include "mm/physical_range.hpp"

namespace bulkhead {

/// What is at a guest-physical address.
enum class GuestAddressClass : u8 {
    Ram,
    AbsentDevice, ///< a place where PCs have devices and this one has not: reads give all ones, writes vanish
    IoApic,
    LocalApic,
    NotTheGuests, ///< nothing that any PC has there
};

/// A range as an E820 map has it.
struct GuestMemoryRange {
    GuestPhysical start;
    u64 size = 0;
    bool usable = false; ///< false: reserved
    friend constexpr bool operator==(const GuestMemoryRange&, const GuestMemoryRange&) = default;
};

/// The RAM of one guest: which addresses there are, and where they are backed.
class GuestMemoryMap {
public:
    /// `chunks` in ascending order of guest address, without gaps: from 0 up to at most the device hole, then from the
    /// end of that hole on. They must outlive the map.
    /// Errors: anything else, sizes and addresses that are not multiples of 2 MiB or that wrap.
    [[nodiscard]] static Result<GuestMemoryMap> create(std::span<const MemoryChunk> chunks);

    /// A guest without memory.
    GuestMemoryMap() = default;

    [[nodiscard]] std::span<const MemoryChunk> chunks() const { return chunks_; }

    /// Bytes of RAM: the chunks without the legacy hole.
    [[nodiscard]] u64 total() const;
    /// The end of RAM below the device hole.
    [[nodiscard]] GuestPhysical low_end() const { return low_end_; }
    /// The end of RAM above it; 4 GiB if there is none.
    [[nodiscard]] GuestPhysical high_end() const { return high_end_; }

    [[nodiscard]] GuestAddressClass classify(GuestPhysical address) const {
        using namespace guest_layout;
        if (address < low_end_)
            return address < legacy_hole || address >= legacy_hole_end ? GuestAddressClass::Ram
                                                                       : GuestAddressClass::AbsentDevice;
        if (address >= device_hole_end)
            return address < high_end_ ? GuestAddressClass::Ram : GuestAddressClass::NotTheGuests;
        return classify_hole(address);
    }

    /// Whether all of [address, address + size) is RAM. True for a size of 0 where `address` is RAM.
    [[nodiscard]] bool is_ram(GuestPhysical address, u64 size) const;

    /// Guest-physical to host-physical: where the RAM at `address` is, and how many bytes from there on are contiguous
    /// both for the guest and for the host (not 0). Nothing if `address` is not RAM.
    [[nodiscard]] std::optional<PhysicalRange> translate(GuestPhysical address) const;

    /// RAM and what of it is reserved, ascending: what goes into an E820 map.
    static constexpr std::size_t max_ranges = 4;
    [[nodiscard]] StaticVector<GuestMemoryRange, max_ranges> ranges() const;

private:
    static GuestAddressClass classify_hole(GuestPhysical address);
    /// The end of the range of RAM that `address`, which is RAM, is in.
    [[nodiscard]] GuestPhysical end_of_ram(GuestPhysical address) const;

    std::span<const MemoryChunk> chunks_;
    GuestPhysical low_end_{};
    GuestPhysical high_end_ = guest_layout::device_hole_end;
};

} // namespace bulkhead
