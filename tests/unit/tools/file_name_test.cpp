// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "tools/file_name.hpp"

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>

namespace bulkhead::tools {
namespace {

TEST_CASE("why_not_a_name: takes relative names that FAT can keep") {
    const std::string name = GENERATE("vmlinuz", "linux/vmlinuz-6.12.107+deb13", "a b/c.d", "..hidden", "x/.y/z", "auxiliary", "com", "com0", "console.bin");
    CHECK(why_not_a_name(name).empty());
}

TEST_CASE("why_not_a_name: refuses what leaves the folder, and what FAT changes or refuses") {
    const std::string name = GENERATE("", "/etc/passwd", "../x", "a/../x", "a/./x", "a//x", "a/", "..", "a:b", "a\\b",
                                      "a?", "trailing.", "trailing ", "aux", "x/NUL.bin", "LPT1", "com9.x", "tr./x", "caf\xc3\xa9", "a\tb");
    CAPTURE(name);
    CHECK_FALSE(why_not_a_name(name).empty());
}

TEST_CASE("why_not_a_name: a part may have 255 characters") {
    CHECK(why_not_a_name("x/" + std::string(255, 'a')).empty());
    CHECK_FALSE(why_not_a_name("x/" + std::string(256, 'a')).empty());
}

TEST_CASE("folded_name: names that FAT does not tell apart are the same") {
    CHECK(folded_name("Linux/VmLinuz-6.1") == folded_name("linux/vmlinuz-6.1"));
    CHECK(folded_name("a_b") != folded_name("a-b"));
}

} // namespace
} // namespace bulkhead::tools
