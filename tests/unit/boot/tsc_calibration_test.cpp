// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "boot/tsc_calibration.hpp"

#include <cmath>
#include <random>

#include <catch2/catch_test_macros.hpp>

#include "fakes/clocks.hpp"

using namespace bulkhead;
using namespace bulkhead::boot;

namespace {

constexpr acpi::PmTimer pm_timer{.port = 0x608, .has_32_bits = false};

Result<TscFrequency> calibrate(fakes::Clocks& clocks, acpi::PmTimer timer = pm_timer) {
    return calibrate_tsc({}, timer, clocks, clocks);
}

bool within(double ppm, u64 khz, double hz) { return std::abs(static_cast<double>(khz) * 1000 / hz - 1) * 1e6 <= ppm; }

} // namespace

TEST_CASE("The TSC's frequency is CPUID's where it states all of it") {
    CHECK(tsc_khz_from_cpuid({2, 216, 24'000'000}) == 2'592'000);
    CHECK_FALSE(tsc_khz_from_cpuid({2, 216, 0})); // Skylake: the crystal is not stated
    CHECK_FALSE(tsc_khz_from_cpuid({0, 216, 24'000'000}));
    CHECK_FALSE(tsc_khz_from_cpuid({2, 0, 24'000'000}));
    CHECK_FALSE(tsc_khz_from_cpuid({~0u, 1, 1}));
    CHECK(tsc_khz_from_cpuid({1, ~0u, ~0u}) == u64{~0u} * ~0u / 1000);
    fakes::Clocks clocks;
    const auto result = calibrate_tsc({2, 216, 24'000'000}, pm_timer, clocks, clocks);
    REQUIRE(result);
    CHECK(result->reference == TscReference::Cpuid);
    CHECK(clocks.accesses == 0);
}

TEST_CASE("The TSC is measured against the PM timer to 100 ppm") {
    for (const double hz : {1e9, 2.5e9, 5.7e9}) {
        fakes::Clocks clocks;
        clocks.tsc_hz = hz;
        const auto result = calibrate(clocks);
        REQUIRE(result);
        CHECK(result->reference == TscReference::AcpiPmTimer);
        CHECK(within(100, result->khz, hz));
    }
}

TEST_CASE("The PM timer may wrap in a measurement, at 24 and at 32 bits") {
    for (const bool is_32bit : {false, true}) {
        fakes::Clocks clocks;
        clocks.pm_mask = is_32bit ? 0xffff'ffff : 0xff'ffff;
        clocks.pm_start = clocks.pm_mask - 3'579'545 - 30'000; // a second has passed already
        const auto result = calibrate(clocks, {.port = 0x608, .has_32_bits = is_32bit});
        REQUIRE(result);
        CHECK(result->reference == TscReference::AcpiPmTimer);
        CHECK(within(100, result->khz, clocks.tsc_hz));
    }
}

TEST_CASE("A measurement that an SMI spoils is repeated") {
    fakes::Clocks clocks;
    unsigned countdown = 3; // within the first sample
    clocks.disturbance = [&countdown] { return countdown > 0 && --countdown == 0 ? 500e-6 : 0.0; };
    const auto result = calibrate(clocks);
    REQUIRE(result);
    CHECK(within(100, result->khz, clocks.tsc_hz));
}

TEST_CASE("A timer that counts down is measured to 100 ppm, whichever access an SMI or a host comes behind") {
    for (unsigned spoiled = 1; spoiled <= 24; ++spoiled)
        for (const bool is_late : {false, true}) { // in the samples at the beginning, and at the end
            fakes::Clocks clocks;
            clocks.pm_hz = 1e9;
            clocks.pm_mask = 0xffff'ffff;
            unsigned accesses = 0, reads = 0;
            clocks.disturbance = [&] {
                accesses += !is_late || reads > 4 ? 1 : 0;
                return accesses == spoiled ? 3e-3 : 0.0;
            };
            const auto count = [&] { return ++reads, ~0u - clocks.in32(pm_timer.port); };
            CHECK(within(100, measure_countdown(count, clocks, 2'500'000) / 1000, clocks.pm_hz));
        }
}

TEST_CASE("Measurements that never agree end, and the next reference is tried") {
    fakes::Clocks clocks;
    unsigned reads = 0;
    // A PM timer whose speed changes all the time: no two measurements agree.
    std::mt19937 random(1);
    clocks.disturbance = [&] {
        if (++reads % 5'000 == 0)
            clocks.pm_start += random() % 60'000;
        return 0.0;
    };
    const auto result = calibrate(clocks);
    REQUIRE(result);
    CHECK(result->reference == TscReference::Pit);
    CHECK(within(100, result->khz, clocks.tsc_hz));
}

TEST_CASE("The PIT serves where there is no PM timer, or it stands still, and port 61h is put back") {
    for (const acpi::PmTimer timer : {acpi::PmTimer{}, pm_timer}) {
        fakes::Clocks clocks;
        clocks.has_pm = false;
        clocks.control = 0x03;
        const auto result = calibrate(clocks, timer);
        REQUIRE(result);
        CHECK(result->reference == TscReference::Pit);
        CHECK(within(100, result->khz, clocks.tsc_hz));
        CHECK(clocks.control == 0x03);
    }
}

TEST_CASE("Without any reference the calibration fails, and ends") {
    fakes::Clocks none;
    none.has_pm = none.has_pit = false;
    CHECK_FALSE(calibrate(none));
    fakes::Clocks endless;
    endless.has_pm = endless.pit_ends = false;
    CHECK_FALSE(calibrate(endless));
    CHECK(endless.control == 0x0c);
}

TEST_CASE("Agreement is 100 ppm") {
    CHECK(agree(1'000'000, 1'000'100));
    CHECK_FALSE(agree(1'000'000, 1'000'101));
    CHECK(agree(1'000'100, 1'000'000));
    CHECK(khz_of({50'000'000, 71'590}, 3'579'545) == 2'500'031);
    CHECK(khz_of({50'000'000, 0}, 3'579'545) == 0);
}
