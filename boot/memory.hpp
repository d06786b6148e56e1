// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// Memory from the firmware. All of it is EfiLoaderData, which the hypervisor's memory map shows as reserved.
#pragma once

#include <span>

#include "boot/firmware.hpp"
#include "boot/memory_map.hpp"
#include "config/position.hpp"

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

    /// The same, but for `size` bytes (a multiple of 4 KiB) that are held back, so that nobody is given them.
    [[nodiscard]] Result<std::span<PhysicalRange>> free_but(u64 size);

    /// From now on take() and free_but() hold back nothing of `ranges`, which must stay as they are.
    void keep_free(std::span<const Located<PhysicalRange>> ranges) { kept_free_ = ranges; }
    /// Whether any of `range` is kept free.
    [[nodiscard]] bool is_kept_free(const PhysicalRange& range) const;

    /// A block of at least one byte, `size` rounded up to pages, below `limit`. `alignment` is a power of two, 4 KiB or
    /// more. Not zeroed. At 1 MiB and above.
    [[nodiscard]] Result<HostPhysical> take(u64 size, u64 alignment, u64 limit);
    /// A page below 640 KiB, not page 0.
    [[nodiscard]] Result<HostPhysical> take_low_page();
    /// This block.
    [[nodiscard]] Result<void> take_at(HostPhysical address, u64 size);

private:
    /// What is free and not kept free.
    [[nodiscard]] Result<std::span<const PhysicalRange>> free_for_us();

    const Firmware& firmware_;
    std::span<u8> buffer_;
    std::span<PhysicalRange> free_;
    std::span<const Located<PhysicalRange>> kept_free_;
    UINTN key_ = 0;
};

} // namespace bulkhead::boot
