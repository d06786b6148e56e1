// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "base/text.hpp"

#include <catch2/catch_test_macros.hpp>

using namespace bulkhead;

TEST_CASE("Text writes numbers in decimal and hexadecimal") {
    Line<80> line;
    line << "n=" << u64{0} << ' ' << u64{18446744073709551615u} << ' ' << Hex{0} << ' ' << Hex{0xfee, 8};
    CHECK(line.view() == "n=0 18446744073709551615 0x0 0x00000fee");
}

TEST_CASE("Text cuts what does not fit and says so") {
    Line<4> line;
    line << "abcdef";
    CHECK(line.view() == "abcd");
    CHECK(line.cut());
}

TEST_CASE("Size uses the largest unit that divides the number") {
    Line<80> line;
    line << Size{3 * GiB} << ' ' << Size{GiB + MiB} << ' ' << Size{96 * KiB} << ' ' << Size{17} << ' ' << Size{0};
    CHECK(line.view() == "3 GiB 1025 MiB 96 KiB 17 bytes 0 KiB");
}
