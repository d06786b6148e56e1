// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "devices/pvclock.hpp"

#include <catch2/catch_test_macros.hpp>

#include <array>
#include <cstring>

using namespace bulkhead;

TEST_CASE("pvclock: a scale is right to half a part per billion for any TSC") {
    for (const u64 khz : {u64{1}, u64{999}, u64{32768}, u64{999'999}, u64{1'000'000}, u64{1'000'001}, u64{2'400'000},
                          u64{3'999'999}, u64{4'000'001}, u64{0xffff'ffff}}) {
        const PvClockScale scale = pvclock_scale(khz);
        CHECK((scale.mul & 0x8000'0000) != 0);
        // A million seconds at most, so that the ticks fit.
        const u64 seconds = 1'000'000;
        const u64 nanoseconds = pvclock_nanoseconds(scale, seconds * khz * 1000);
        CHECK(nanoseconds <= seconds * 1'000'000'000);
        CHECK(nanoseconds >= seconds * 999'999'999);
    }
}

TEST_CASE("pvclock: a TSC frequency that cannot be gives a clock that stands still") {
    for (const u64 khz : {u64{0}, u64{0x1'0000'0000}, ~u64{0}}) {
        CHECK(pvclock_scale(khz).mul == 0);
        CHECK(pvclock_nanoseconds(pvclock_scale(khz), ~u64{0}) == 0);
    }
}

TEST_CASE("pvclock: time goes on from where it was taken") {
    const PvClock clock{pvclock_scale(2'000'000), 1000, 5'000'000};
    CHECK(clock.now(1000) == 5'000'000);
    CHECK(clock.now(1000 + 2'000'000'000) == 1'005'000'000);
}

TEST_CASE("pvclock: the MSR's address is taken only when enabled, aligned and within a page") {
    CHECK_FALSE(pvclock_time_address(0x1000));
    CHECK(pvclock_time_address(0x1001) == GuestPhysical{0x1000});
    CHECK(pvclock_address_valid({0x1000}, 32));
    CHECK(pvclock_address_valid({0x1fe0}, 32));
    CHECK_FALSE(pvclock_address_valid({0x1fe4}, 32));
    CHECK_FALSE(pvclock_address_valid({0x1002}, 32));
    CHECK_FALSE(pvclock_address_valid({~u64{0} - 3}, 32));
}

TEST_CASE("pvclock: a vCPU's page has KVM's layout and an even version that grows") {
    std::array<u8, 32> page;
    page.fill(0xff); // whatever the guest left there
    u32 version = 0;
    const PvClock clock{{0x8000'0001, -2}, 0x1122'3344'5566'7788, 0x99aa'bbcc'ddee'ff00};
    write_vcpu_time(page, version, clock, false);
    CHECK(version == 2);
    PvClockVcpuTimeInfo info;
    std::memcpy(&info, page.data(), sizeof info);
    CHECK(info.version == 2);
    CHECK(info.tsc_timestamp == 0x1122'3344'5566'7788);
    CHECK(info.system_time == 0x99aa'bbcc'ddee'ff00);
    CHECK(info.tsc_to_system_mul == 0x8000'0001);
    CHECK(info.tsc_shift == -2);
    CHECK(info.flags == 1);
    CHECK(page[4] == 0);
    write_vcpu_time(page, version, clock, true);
    CHECK(page[0] == 4);
    CHECK(page[29] == 3);
    version = 0xffff'ffff; // never odd when done, whatever it was
    write_vcpu_time(page, version, clock, true);
    CHECK(version % 2 == 0);
}

TEST_CASE("pvclock: the wall clock is in seconds and nanoseconds") {
    std::array<u8, 12> page{};
    u32 version = 0;
    write_wall_clock(page, version, 1'700'000'000'123'456'789);
    PvClockWallClock clock;
    std::memcpy(&clock, page.data(), sizeof clock);
    CHECK(clock.version == 2);
    CHECK(clock.sec == 1'700'000'000);
    CHECK(clock.nsec == 123'456'789);
}
