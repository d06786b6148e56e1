// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// The KVM-compatible clock: Linux Documentation/virt/kvm/x86/msr.rst and cpuid.rst (KVM_FEATURE_CLOCKSOURCE2,
// KVM_FEATURE_CLOCKSOURCE_STABLE_BIT). Pure functions on values; where the guest's pages are mapped is the caller's.
#pragma once

#include <cstddef>
#include <optional>
#include <span>

#include "base/types.hpp"
#include "mm/address.hpp"

namespace bulkhead {

inline constexpr u32 MSR_KVM_WALL_CLOCK_NEW = 0x4b56'4d00;
inline constexpr u32 MSR_KVM_SYSTEM_TIME_NEW = 0x4b56'4d01;

inline constexpr u8 PVCLOCK_TSC_STABLE_BIT = 1 << 0;
inline constexpr u8 PVCLOCK_GUEST_STOPPED = 1 << 1;

struct PvClockVcpuTimeInfo {
    u32 version;
    u32 pad0;
    u64 tsc_timestamp;
    u64 system_time;
    u32 tsc_to_system_mul;
    i8 tsc_shift;
    u8 flags;
    u8 pad[2];
};
static_assert(sizeof(PvClockVcpuTimeInfo) == 32);
static_assert(offsetof(PvClockVcpuTimeInfo, tsc_timestamp) == 8);
static_assert(offsetof(PvClockVcpuTimeInfo, system_time) == 16);
static_assert(offsetof(PvClockVcpuTimeInfo, tsc_to_system_mul) == 24);
static_assert(offsetof(PvClockVcpuTimeInfo, tsc_shift) == 28);
static_assert(offsetof(PvClockVcpuTimeInfo, flags) == 29);

struct PvClockWallClock {
    u32 version;
    u32 sec;
    u32 nsec;
};
static_assert(sizeof(PvClockWallClock) == 12);

/// nanoseconds = (tsc << shift) * mul / 2^32; a negative shift is to the right.
struct PvClockScale {
    u32 mul = 0;
    i8 shift = 0;
};

/// The scale for a TSC of `tsc_khz`, 1 to 2^32 - 1; `mul` has its top bit set, so it is right to half a part per
/// billion. Other frequencies give a scale of 0: the clock stands still.
[[nodiscard]] PvClockScale pvclock_scale(u64 tsc_khz);

/// What a guest computes from the page: the nanoseconds in `ticks` of the TSC, rounded down.
[[nodiscard]] u64 pvclock_nanoseconds(PvClockScale scale, u64 ticks);

/// One guest's time. All its vCPUs get the same numbers: PVCLOCK_TSC_STABLE_BIT promises just that.
struct PvClock {
    PvClockScale scale;
    u64 tsc_timestamp = 0; ///< guest's TSC at which system_time was taken
    u64 system_time = 0;   ///< nanoseconds since the guest's start

    [[nodiscard]] u64 now(u64 guest_tsc) const {
        return system_time + pvclock_nanoseconds(scale, guest_tsc - tsc_timestamp);
    }
};

/// The address in MSR_KVM_SYSTEM_TIME_NEW; nothing while the clock is off (bit 0 clear).
[[nodiscard]] constexpr std::optional<GuestPhysical> pvclock_time_address(u64 msr) {
    if ((msr & 1) == 0)
        return std::nullopt;
    return GuestPhysical{msr & ~u64{1}};
}

/// Whether a guest may give this address for `size` bytes: aligned to 4 (so says the interface) and within one page, so
/// that one look at the guest's memory map decides. Whether that page is the guest's RAM is the caller's to check.
[[nodiscard]] constexpr bool pvclock_address_valid(GuestPhysical address, u64 size) {
    return address.is_aligned(4) && address.value % page_size + size <= page_size;
}

/// Writes a vCPU's time into the guest's memory, which other vCPUs may be reading: `version` is odd meanwhile. It is
/// the caller's copy of the version, kept per vCPU, as the guest's memory is not to be believed.
void write_vcpu_time(std::span<u8, sizeof(PvClockVcpuTimeInfo)> page, u32& version, const PvClock& clock,
                     bool guest_stopped);

/// Writes the time of day (UTC) at which the guest's system_time was 0, as nanoseconds since 1970.
void write_wall_clock(std::span<u8, sizeof(PvClockWallClock)> page, u32& version, u64 unix_nanoseconds);

} // namespace bulkhead
