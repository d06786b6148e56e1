// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cstring>
#include <optional>
#include <span>
#include <string_view>

#include "base/types.hpp"

namespace bulkhead {

/// From index `at` on, around the end of `ring`, which is as large as `bytes` at least.
inline void copy_around(std::span<char> ring, std::size_t at, std::string_view bytes) {
    const std::size_t before_end = std::min(bytes.size(), ring.size() - at);
    std::memcpy(ring.data() + at, bytes.data(), before_end);
    std::memcpy(ring.data(), bytes.data() + before_end, bytes.size() - before_end);
}

/// A ring of bytes with exactly one producer and one consumer, which may run on different CPUs: neither ever waits.
/// Each side's index is written by that side only and counts up without wrapping at Capacity, so full and empty differ.
/// Nothing here is shared with a guest. Where several vCPUs produce, their guest's own device lock makes them one.
template <u32 Capacity> class SpscRing {
    static_assert(std::has_single_bit(Capacity) && Capacity <= 0x8000'0000);

public:
    /// Producer: false when there is not room for all; nothing is stored then, and the caller counts the drop.
    [[nodiscard]] bool push(std::string_view bytes) {
        const u32 head = head_.load(std::memory_order_relaxed);
        if (Capacity - (head - tail_.load(std::memory_order_acquire)) < bytes.size())
            return false;
        copy_around(bytes_, head % Capacity, bytes);
        head_.store(head + static_cast<u32>(bytes.size()), std::memory_order_release);
        return true;
    }

    /// Consumer: the oldest byte, or nothing when the ring is empty.
    [[nodiscard]] std::optional<u8> pop() {
        const u32 tail = tail_.load(std::memory_order_relaxed);
        if (tail == head_.load(std::memory_order_acquire))
            return std::nullopt;
        const u8 byte = static_cast<u8>(bytes_[tail % Capacity]);
        tail_.store(tail + 1, std::memory_order_release);
        return byte;
    }

    /// Bytes in the ring. Exact for neither side while the other one works, but the producer sees at least what is
    /// there and the consumer at most.
    [[nodiscard]] u32 size() const {
        const u32 tail = tail_.load(std::memory_order_acquire);
        return head_.load(std::memory_order_acquire) - tail;
    }
    [[nodiscard]] bool empty() const { return size() == 0; }
    [[nodiscard]] static constexpr u32 capacity() { return Capacity; }

private:
    // A cache line each: the producer's stores must not take the consumer's index away from it.
    alignas(64) std::atomic<u32> head_{0};
    alignas(64) std::atomic<u32> tail_{0};
    alignas(64) std::array<char, Capacity> bytes_{};
};

} // namespace bulkhead
