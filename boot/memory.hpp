// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// Memory from the firmware. All of it is EfiLoaderData, which the hypervisor's memory map shows as reserved.
#pragma once

#include <span>

#include "boot/firmware.hpp"
#include "boot/memory_map.hpp"

namespace bulkhead::boot {

inline constexpr u64 below_4_gib = 4 * GiB;
inline constexpr u64 anywhere = u64{1} << 52;

/// A reader and taker of the firmware's memory. Its buffers are allocated once, with room for the map to grow.
class FirmwareMemory {
public:
    explicit FirmwareMemory(const Firmware& firmware) : firmware_(firmware) {}

    /// Before any other function.
    [[nodiscard]] Result<void> prepare();

    /// The map as it is now, and its key for ExitBootServices.
    [[nodiscard]] Result<FirmwareMap> map();
    [[nodiscard]] UINTN key() const { return key_; }
    /// The number of descriptors that a map can ever have here.
    [[nodiscard]] u64 capacity() const { return free_.size(); }

    /// What is free now. Valid until the next call of a function of this class.
    [[nodiscard]] Result<std::span<PhysicalRange>> free();

    /// A block of at least one byte, `size` rounded up to pages, below `limit`. `alignment` is a power of two, 4 KiB or
    /// more. Not zeroed. At 1 MiB and above.
    [[nodiscard]] Result<HostPhysical> take(u64 size, u64 alignment, u64 limit);
    /// A page below 640 KiB, not page 0.
    [[nodiscard]] Result<HostPhysical> take_low_page();
    /// This block.
    [[nodiscard]] Result<void> take_at(HostPhysical address, u64 size);

private:
    const Firmware& firmware_;
    std::span<u8> buffer_;
    std::span<PhysicalRange> free_;
    UINTN key_ = 0;
};

} // namespace bulkhead::boot
