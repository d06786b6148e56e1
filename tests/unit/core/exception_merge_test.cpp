// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "core/exception_merge.hpp"

#include <catch2/catch_test_macros.hpp>

using namespace bulkhead;

namespace {

constexpr GuestException page_fault{14, 2};

/// The vector that the guest gets; -1: none, it shuts down.
int combined(u8 first, u8 second) {
    const std::optional<GuestException> result = combine(first, {second, std::nullopt});
    return result ? result->vector : -1;
}

} // namespace

TEST_CASE("An exception outside of a delivery stays what it is") {
    const std::optional<GuestException> result = combine(std::nullopt, page_fault);
    REQUIRE(result);
    CHECK(result->vector == 14);
    CHECK(result->error_code == 2);
}

TEST_CASE("Exceptions during a delivery combine as in SDM 3A table 6-5") {
    CHECK(combined(1, 13) == 13); // benign first: the second alone
    CHECK(combined(6, 14) == 14);
    CHECK(combined(17, 12) == 12);
    CHECK(combined(0, 13) == 8); // contributory and contributory
    CHECK(combined(13, 10) == 8);
    CHECK(combined(11, 21) == 8);
    CHECK(combined(13, 14) == 14); // a page fault after a contributory one is delivered
    CHECK(combined(14, 13) == 8);
    CHECK(combined(14, 14) == 8);
    CHECK(combined(13, 1) == 1); // benign second
    CHECK(combined(14, 6) == 6);
}

TEST_CASE("A double fault has error code 0") {
    const std::optional<GuestException> result = combine(14, {13, 0x18});
    REQUIRE(result);
    CHECK(result->vector == 8);
    CHECK(result->error_code == 0);
}

TEST_CASE("A fault during the delivery of a double fault shuts the guest down") {
    for (const u8 second : {0, 10, 11, 12, 13, 14})
        CHECK(combined(8, second) == -1);
    CHECK(combined(8, 1) == 1); // benign: SDM 3A 6.15, interrupt 8
    CHECK(combined(8, 17) == 17);
}
