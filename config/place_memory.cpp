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

/// "1 GiB at 0x100000000, 512 MiB at 0x20000000 and 3 more": the largest ranges, in ascending order.
struct FreeRanges {
    std::span<const PhysicalRange> ranges;
};

Text& operator<<(Text& text, FreeRanges free) {
    constexpr std::size_t shown = 6;
    const auto larger = [&](u64 size) {
        return static_cast<std::size_t>(
            std::ranges::count_if(free.ranges, [&](const PhysicalRange& range) { return range.size > size; }));
    };
    std::size_t count = 0;
    for (const PhysicalRange& range : free.ranges) {
        if (count == shown || larger(range.size) >= shown)
            continue;
        text << (count++ == 0 ? "" : ", ") << Size{range.size} << " at " << Hex{range.start.value};
    }
    if (count == 0)
        return text << "none";
    if (count < free.ranges.size())
        text << " and " << u64{free.ranges.size() - count} << " more";
    return text;
}

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

/// As the guest sees them: one behind the other, but for the hole. False: the list is full.
bool add_listed(std::span<const Located<PhysicalRange>> ranges, ChunkList& chunks) {
    GuestPhysical guest{0};
    for (const Located<PhysicalRange>& item : ranges) {
        PhysicalRange range = item.value;
        while (range.size != 0) {
            if (chunks.full())
                return false;
            const u64 before_hole = guest.value < guest_hole_start ? guest_hole_start - guest.value : range.size;
            const u64 size = std::min(range.size, before_hole);
            chunks.add({guest, range.start, size});
            guest += size;
            if (guest.value == guest_hole_start)
                guest = {guest_hole_end};
            range = {range.start + size, range.size - size};
        }
    }
    return true;
}

class MemoryPlacement {
public:
    MemoryPlacement(const Configuration& configuration, const Machine& machine, PlacementStorage& storage, Plan& plan,
                    Diagnostics& diagnostics)
        : configuration_(configuration), machine_(machine), plan_(plan), diagnostics_(diagnostics),
          memory_(storage.free, machine.free_memory, machine.nodes), chunks_(storage.chunks), all_(memory_.total()) {}

    /// What is listed goes first: nothing else can be had there.
    void place_listed() {
        for (std::size_t i = 0; i < configuration_.guests.size(); ++i) {
            const auto& ranges = configuration_.guests[i].memory.ranges;
            for (const Located<PhysicalRange>& range : ranges)
                if (!memory_.take_exactly(range.value))
                    diagnostics_.error(range.at, Size{range.value.size}, " at ", Hex{range.value.start.value},
                                       ": not all of it is free; free for guests is: ", FreeRanges{memory_.ranges()});
            chunks_.begin_guest();
            if (!ranges.empty() && keep(i, add_listed(ranges, chunks_), configuration_.guests[i].memory.value))
                plan_.guests[i].memory = chunks_.guest();
        }
    }

    void place_sizes() {
        for (std::size_t i = 0; i < configuration_.guests.size(); ++i) {
            const MemoryRequest& request = configuration_.guests[i].memory;
            if (!request.given() || !request.ranges.empty() || configuration_.guests[i].rest.value)
                continue;
            const u64 size = request.percent == 0 ? request.value : share(request);
            if (size != 0 && fits(request, size))
                place(i, size);
        }
    }

    void place_rest() {
        for (std::size_t i = 0; i < configuration_.guests.size(); ++i) {
            const GuestConfig& guest = configuration_.guests[i];
            if (!guest.rest.value)
                continue;
            const u64 size = std::min(memory_.total(), max_guest_memory);
            if (size != 0)
                place(i, size);
            else
                diagnostics_.error(guest.rest.at, "no memory is left for this guest: the others claim all of the ",
                                   Size{all_}, " that this machine has for guests");
        }
    }

private:
    /// Bytes of a share; 0: it was reported.
    u64 share(const MemoryRequest& request) {
        const u64 bytes = all_ / large_page_size * request.percent / 100 * large_page_size;
        if (bytes != 0 && bytes <= max_guest_memory)
            return bytes;
        diagnostics_.error(request.at, request.percent, "% of the ", Size{all_},
                           " that this machine has for guests is ",
                           bytes == 0 ? "less than the 2 MiB that a guest has at least"
                                      : "more than the 511 GiB that a guest can have");
        return 0;
    }

    bool fits(const MemoryRequest& request, u64 size) {
        if (size <= memory_.total())
            return true;
        diagnostics_.error(request.at, "this guest wants ", Size{size}, "; ", Size{memory_.total()},
                           " are left of the ", Size{all_}, " that this machine has for guests (largest piece ",
                           Size{memory_.largest()}, ')');
        return false;
    }

    /// Near to the guest's CPUs, where there is enough.
    void place(std::size_t index, u64 size) {
        const std::span<const u32> cpus = plan_.guests[index].cpus;
        if (!cpus.empty() && !machine_.nodes.empty())
            memory_.look_at(machine_.cpus[cpus.front()].node);
        if (memory_.total() < size)
            memory_.look_at_all();
        chunks_.begin_guest();
        const u64 low = std::min(size, guest_hole_start);
        const bool done =
            place_range(memory_, {0}, low, chunks_) && place_range(memory_, {guest_hole_end}, size - low, chunks_);
        memory_.look_at_all();
        if (keep(index, done, size))
            plan_.guests[index].memory = chunks_.guest();
    }

    /// Reports where the list of chunks was too short.
    bool keep(std::size_t index, bool done, u64 size) {
        const GuestConfig& guest = configuration_.guests[index];
        if (!done)
            diagnostics_.error(guest.rest.value ? guest.rest.at : guest.memory.at,
                               "this machine's free memory is in too many pieces for ", Size{size});
        return done;
    }

    const Configuration& configuration_;
    const Machine& machine_;
    Plan& plan_;
    Diagnostics& diagnostics_;
    FreeMemory memory_;
    ChunkList chunks_;
    u64 all_;
};

} // namespace

void place_memory(const Configuration& configuration, const Machine& machine, PlacementStorage& storage, Plan& plan,
                  Diagnostics& diagnostics) {
    MemoryPlacement placement(configuration, machine, storage, plan, diagnostics);
    placement.place_listed();
    placement.place_sizes();
    placement.place_rest();
}

} // namespace bulkhead
