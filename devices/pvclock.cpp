// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "devices/pvclock.hpp"

#include <atomic>
#include <cstring>

namespace bulkhead {

namespace {

/// Writes `value`, whose first field is the version, so that a reader on another CPU never takes half of it for whole:
/// it retries while the version is odd or has changed.
template <class T> void publish(std::span<u8, sizeof(T)> page, u32& version, T value) {
    const auto store_version = [&](u32 number) { std::memcpy(page.data(), &number, sizeof number); };
    version = (version + 1) | 1;
    store_version(version);
    std::atomic_thread_fence(std::memory_order_seq_cst); // x86 keeps stores in order; the compiler must as well
    std::memcpy(page.data() + sizeof version, reinterpret_cast<const u8*>(&value) + sizeof version,
                sizeof(T) - sizeof version);
    std::atomic_thread_fence(std::memory_order_seq_cst);
    store_version(++version);
}

} // namespace

PvClockScale pvclock_scale(u64 tsc_khz) {
    if (tsc_khz == 0 || tsc_khz > 0xffff'ffff)
        return {};
    // Nanoseconds per tick are numerator / denominator; shift until that is in [1/2, 1).
    u64 numerator = 1'000'000;
    u64 denominator = tsc_khz;
    i8 shift = 0;
    while (numerator >= denominator) {
        denominator <<= 1;
        ++shift;
    }
    while (numerator * 2 < denominator) {
        numerator <<= 1;
        --shift;
    }
    return {static_cast<u32>((numerator << 32) / denominator), shift};
}

u64 pvclock_nanoseconds(PvClockScale scale, u64 ticks) {
    const u64 shifted = scale.shift < 0 ? ticks >> -scale.shift : ticks << scale.shift;
    return static_cast<u64>((static_cast<unsigned __int128>(shifted) * scale.mul) >> 32);
}

void write_vcpu_time(std::span<u8, sizeof(PvClockVcpuTimeInfo)> page, u32& version, const PvClock& clock,
                     bool guest_stopped) {
    publish(page, version,
            PvClockVcpuTimeInfo{
                .version = 0,
                .pad0 = 0,
                .tsc_timestamp = clock.tsc_timestamp,
                .system_time = clock.system_time,
                .tsc_to_system_mul = clock.scale.mul,
                .tsc_shift = clock.scale.shift,
                .flags = static_cast<u8>(PVCLOCK_TSC_STABLE_BIT | (guest_stopped ? PVCLOCK_GUEST_STOPPED : 0)),
                .pad = {},
            });
}

void write_wall_clock(std::span<u8, sizeof(PvClockWallClock)> page, u32& version, u64 unix_nanoseconds) {
    constexpr u64 nanoseconds_per_second = 1'000'000'000;
    publish(page, version,
            PvClockWallClock{
                .version = 0,
                .sec = static_cast<u32>(unix_nanoseconds / nanoseconds_per_second),
                .nsec = static_cast<u32>(unix_nanoseconds % nanoseconds_per_second),
            });
}

} // namespace bulkhead
