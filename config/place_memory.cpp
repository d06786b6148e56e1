// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "config/place_memory.hpp"

#include <algorithm>

#include "config/free_memory.hpp"

namespace bulkhead {
namespace {

/// The chunks of all guests, one guest after the other.
class ChunkList {
public:
    explicit ChunkList(std::span<MemoryChunk> storage) : storage_(storage) {}

    void begin_guest() { first_ = count_; }
    [[nodiscard]] std::span<const MemoryChunk> guest() const { return storage_.subspan(first_, count_ - first_); }
    [[nodiscard]] bool full() const { return count_ == storage_.size(); }

    /// Makes one chunk of two where both the guest's and the host's addresses go on. There must be room.
    void add(const MemoryChunk& chunk) {
        if (count_ > first_) {
            MemoryChunk& last = storage_[count_ - 1];
            if (last.guest + last.size == chunk.guest && last.host + last.size == chunk.host) {
                last.size += chunk.size;
                return;
            }
        }
        storage_[count_++] = chunk;
    }

private:
    std::span<MemoryChunk> storage_;
    std::size_t first_ = 0;
    std::size_t count_ = 0;
};

/// The next piece for `size` bytes at `guest`.
PhysicalRange take_next(FreeMemory& memory, GuestPhysical guest, u64 size) {
    HostPhysical start;
    if (guest.is_aligned(huge_page_size) && size >= huge_page_size) {
        if (memory.take_piece(size, huge_page_size, start))
            return {start, size};
        if (const PhysicalRange frames = memory.take_frames(align_down(size, huge_page_size)); frames.size != 0)
            return frames;
    }
    if (memory.take_piece(size, large_page_size, start))
        return {start, size};
    return memory.take_largest(); // smaller than `size`, or it would have fitted
}

/// RAM of a guest at [guest, guest + size). False: the list is full. The memory must suffice.
bool place_range(FreeMemory& memory, GuestPhysical guest, u64 size, ChunkList& chunks) {
    while (size != 0) {
        if (chunks.full())
            return false;
        const PhysicalRange piece = take_next(memory, guest, size);
        chunks.add({guest, piece.start, piece.size});
        guest += piece.size;
        size -= piece.size;
    }
    return true;
}

} // namespace

void place_memory(const Configuration& configuration, const Machine& machine, PlacementStorage& storage, Plan& plan,
                  Diagnostics& diagnostics) {
    FreeMemory memory(storage.free, machine.free_memory);
    ChunkList chunks(storage.chunks);
    const u64 all = memory.total();
    for (std::size_t i = 0; i < configuration.guests.size(); ++i) {
        const Located<u64>& request = configuration.guests[i].memory;
        if (!request.given())
            continue;
        if (request.value > memory.total()) {
            diagnostics.error(request.at, "this guest wants ", Size{request.value}, "; ", Size{memory.total()},
                              " are left of the ", Size{all}, " that this machine has for guests (largest piece ",
                              Size{memory.largest()}, ')');
            continue;
        }
        chunks.begin_guest();
        const u64 low = std::min(request.value, guest_hole_start);
        if (!place_range(memory, {0}, low, chunks) ||
            !place_range(memory, {guest_hole_end}, request.value - low, chunks)) {
            diagnostics.error(request.at, "this machine's free memory is in too many pieces for ", Size{request.value});
            return;
        }
        plan.guests[i].memory = chunks.guest();
    }
}

} // namespace bulkhead
