// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#pragma once

#include "base/result.hpp"
#include "mm/physical_access.hpp"
#include "mm/physical_range.hpp"

namespace bulkhead {

/// Hands out the frames of one range, lowest first, each once. There is no way to give one back: everything is
/// allocated at boot, then seal() is called, and an allocation after that is a broken invariant. Used by the bootstrap
/// processor alone, so it has no lock.
class FrameAllocator {
public:
    FrameAllocator() = default;
    /// What of `pool` is not whole frames is left out.
    explicit FrameAllocator(PhysicalRange pool);

    /// `frames` contiguous frames of 4 KiB at a multiple of `alignment` bytes (a power of two, at least 4 KiB).
    /// Their contents are what the pool held: zeros, where the loader provides it (BootInfo::pool).
    /// Errors: no frame asked for, bad alignment, pool exhausted, sealed. None changes the allocator.
    [[nodiscard]] Result<HostPhysical> allocate(u64 frames = 1, u64 alignment = page_size);

    /// From here on every allocation fails.
    void seal() { sealed_ = true; }

    /// Bytes handed out, with what alignment skipped.
    [[nodiscard]] u64 used() const { return next_ - start_; }
    /// Bytes not handed out yet.
    [[nodiscard]] u64 available() const { return end_ - next_; }

private:
    HostPhysical start_;
    HostPhysical next_;
    HostPhysical end_;
    bool sealed_ = false;
};

static_assert(FrameSource<FrameAllocator>);

} // namespace bulkhead
