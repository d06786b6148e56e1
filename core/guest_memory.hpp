// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#pragma once

#include <optional>
#include <span>

#include "mm/address.hpp"
#include "mm/guest_layout.hpp"

namespace bulkhead {

/// A guest's RAM as the hypervisor reaches it: every guest-physical address is mapped at `window + address`, as far as
/// it is RAM: [0, low_end) without the legacy hole, and [4 GiB, high_end). Nothing else of the
/// window is ever touched, so it need not be mapped.
///
/// The guest's other CPUs write this memory at any time. Everything is therefore read once, into a copy, by accesses
/// that the compiler can neither repeat nor split; decide on the copy.
class GuestMemory {
public:
    /// `low_end`: a multiple of 4 KiB, at least 1 MiB and at most 4 GiB. `high_end`: a multiple of 4 KiB above 4 GiB,
    /// or 0 where the guest has no RAM there.
    constexpr GuestMemory(u8* window, u64 low_end, u64 high_end)
        : window_(window), low_size_(low_end - MiB), high_size_(high_end > 4 * GiB ? high_end - 4 * GiB : 0) {}

    /// True if the `size` bytes (at least 1) at `address` are all RAM.
    [[nodiscard]] constexpr bool contains(GuestPhysical address, u64 size = 1) const {
        using namespace guest_layout;
        const u64 first = address.value;
        return inside(first - MiB, size, low_size_) || inside(first - device_hole_end.value, size, high_size_) ||
               inside(first, size, legacy_hole.value) ||
               inside(address - legacy_hole_end, size, low_size_ + MiB - legacy_hole_end.value);
    }

    /// Where page tables and code nearly always are: RAM between 1 MiB and 4 GiB, known by one comparison.
    /// False says nothing.
    [[nodiscard]] constexpr bool is_common(u64 address) const { return address - MiB < low_size_; }

    /// One value, read by a single instruction. The address need not be aligned. Empty if it is not RAM.
    template <class T> [[nodiscard]] std::optional<T> read(GuestPhysical address) const {
        if (!contains(address, sizeof(T)))
            return std::nullopt;
        return read_unchecked<T>(address.value);
    }

    /// The same for an address that contains() or is_common() has just accepted, for all bytes of T.
    template <class T> [[nodiscard]] T read_unchecked(u64 address) const {
        return reinterpret_cast<const volatile Unaligned<T>*>(window_ + address)->value;
    }

    /// One value, written by a single instruction. False, and nothing is written, if it is not RAM.
    template <class T> [[nodiscard]] bool write(GuestPhysical address, T value) const {
        if (!contains(address, sizeof(T)))
            return false;
        reinterpret_cast<volatile Unaligned<T>*>(window_ + address.value)->value = value;
        return true;
    }

    /// Copies each byte once. False, and nothing is copied, unless all of it is RAM.
    [[nodiscard]] bool copy_out(GuestPhysical from, std::span<u8> to) const {
        if (!contains(from, to.size()))
            return false;
        for (u64 i = 0; i < to.size(); ++i)
            to[i] = read_unchecked<u8>(from.value + i);
        return true;
    }

    /// The bytes themselves, for bulk copies whose content is not looked at; empty unless all of it is RAM.
    [[nodiscard]] std::span<u8> ram(GuestPhysical address, u64 size) const {
        if (!contains(address, size))
            return {};
        return {window_ + address.value, size};
    }

private:
    template <class T> struct [[gnu::packed]] Unaligned {
        T value;
    };

    /// Whether [offset, offset + size) lies in [0, limit), without overflow for any offset.
    static constexpr bool inside(u64 offset, u64 size, u64 limit) { return offset < limit && size <= limit - offset; }

    u8* window_;
    u64 low_size_;  // bytes of RAM from 1 MiB up
    u64 high_size_; // bytes of RAM from 4 GiB up
};

} // namespace bulkhead
