// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "tools/cpio_archive.hpp"

#include <catch2/catch_test_macros.hpp>

namespace bulkhead::tools {
namespace {

TEST_CASE("CpioArchive: fields, names and contents are where newc has them, each aligned to 4 bytes") {
    CpioArchive archive;
    archive.add_program("init", "hello");
    const std::string bytes = archive.finish();

    constexpr std::size_t header = 110;
    constexpr std::size_t contents = 116; // header, "init" and its zero: 115, aligned
    constexpr std::size_t trailer = 124;
    CHECK(bytes.substr(0, 14) == "07070100000001");
    CHECK(bytes.substr(14, 8) == "000081ed"); // S_IFREG, 0755
    CHECK(bytes.substr(54, 8) == "00000005"); // c_filesize
    CHECK(bytes.substr(94, 8) == "00000005"); // c_namesize
    CHECK(bytes.substr(header, 5) == std::string("init\0", 5));
    CHECK(bytes.substr(contents, 5) == "hello");
    CHECK(bytes.substr(trailer, 6) == "070701");
    CHECK(bytes.substr(trailer + header, 10) == "TRAILER!!!");
    CHECK(bytes.size() % 4 == 0);
}

} // namespace
} // namespace bulkhead::tools
