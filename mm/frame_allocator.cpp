// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "mm/frame_allocator.hpp"

#include <bit>

namespace bulkhead {

FrameAllocator::FrameAllocator(PhysicalRange pool) {
    const u64 skipped = (page_size - pool.start.value % page_size) % page_size;
    const bool wraps = pool.size > ~u64{0} - pool.start.value;
    if (wraps || pool.size < skipped)
        return;
    start_ = next_ = pool.start + skipped;
    end_ = start_ + align_down(pool.size - skipped, page_size);
}

Result<HostPhysical> FrameAllocator::allocate(u64 frames, u64 alignment) {
    if (sealed_)
        return fail("frame allocator: allocation after the seal, frames", frames);
    if (frames == 0)
        return fail("frame allocator: no frame asked for");
    if (!std::has_single_bit(alignment) || alignment < page_size)
        return fail("frame allocator: the alignment must be a power of two, at least 4096", alignment);
    const u64 skipped = (alignment - next_.value % alignment) % alignment;
    if (skipped > available() || frames > (available() - skipped) / page_size)
        return fail("frame allocator: the pool is exhausted, frames wanted", frames);
    const HostPhysical result = next_ + skipped;
    next_ = result + frames * page_size;
    return result;
}

} // namespace bulkhead
