// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "tools/bench/boot_cost.hpp"

#include <catch2/catch_test_macros.hpp>

using namespace bulkhead::tools;

TEST_CASE("boot cost: what a boot says of its cost") {
    const BootCost cost = read_boot_cost(
        {"bulkhead: memory kept: 2448 KiB of at most 4480 KiB; second-stage tables: 52 KiB",
         "bulkhead: boot: 75952587 ticks since efi_main: reading 130607, hashing 418920, zeroing and copying 9436469, "
         "ending the firmware 10422785, hardware waits 49999638, all else 5544168"},
        {2, 8, 64});
    CHECK(cost.size.guests == 2);
    CHECK(cost.size.vcpus == 8);
    CHECK(cost.instructions == 9436469 + 5544168);
    CHECK(cost.kept_kib == 2448);
    CHECK(cost.stage_two_kib == 52);
    CHECK(read_boot_cost({}, {}).instructions == 0);
}

TEST_CASE("boot cost: linear growth is right, with any part that does not grow; faster growth and holes are not") {
    const auto costs = [](auto instructions) {
        std::vector<BootCost> all;
        for (const unsigned vcpus : {1u, 2u, 4u, 8u, 16u})
            all.push_back({{1, vcpus, 32}, instructions(vcpus), 2400 + 80 * vcpus, 52});
        return all;
    };
    CHECK(faster_than_linear(costs([](unsigned n) { return 900'000ull + 50'000ull * n; })).empty());
    CHECK(faster_than_linear(costs([](unsigned) { return 900'000ull; })).empty());
    CHECK(faster_than_linear(costs([](unsigned n) { return 900'000ull + 50'000ull * n * n; })).size() == 2);
    CHECK(faster_than_linear(costs([](unsigned n) {
              return n == 1 ? 1'200'000ull : 900'000ull + 50'000ull * n;
          })).empty());
    CHECK(faster_than_linear(costs([](unsigned n) { return n == 4 ? 0ull : 900'000ull; })).size() >= 1);
}
