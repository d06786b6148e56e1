// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#pragma once

#include <compare>

#include "base/types.hpp"

namespace bulkhead {

/// An address in one of the four address spaces of a hypervisor. They are four types, so that a guest's number is never
/// used as one of ours by accident; each crossing is a named function that can be searched for.
template <class Space> struct Address {
    u64 value = 0;

    friend constexpr auto operator<=>(Address, Address) = default;
    constexpr Address operator+(u64 bytes) const { return {value + bytes}; }
    constexpr Address operator-(u64 bytes) const { return {value - bytes}; }
    constexpr u64 operator-(Address other) const { return value - other.value; }
    constexpr Address& operator+=(u64 bytes) {
        value += bytes;
        return *this;
    }
    /// `alignment` is a power of two.
    [[nodiscard]] constexpr bool is_aligned(u64 alignment) const { return (value & (alignment - 1)) == 0; }
    [[nodiscard]] constexpr Address align_down(u64 alignment) const { return {value & ~(alignment - 1)}; }
    [[nodiscard]] constexpr Address align_up(u64 alignment) const {
        return {(value + alignment - 1) & ~(alignment - 1)};
    }
};

using HostPhysical = Address<struct HostPhysicalSpace>;
using HostVirtual = Address<struct HostVirtualSpace>;
using GuestPhysical = Address<struct GuestPhysicalSpace>;
using GuestVirtual = Address<struct GuestVirtualSpace>;

inline constexpr u64 page_size = 4 * KiB;
inline constexpr u64 large_page_size = 2 * MiB;
inline constexpr u64 huge_page_size = 1 * GiB;

/// `alignment` is a power of two; `value + alignment` must not overflow.
constexpr u64 align_up(u64 value, u64 alignment) { return (value + alignment - 1) & ~(alignment - 1); }
constexpr u64 align_down(u64 value, u64 alignment) { return value & ~(alignment - 1); }

} // namespace bulkhead
