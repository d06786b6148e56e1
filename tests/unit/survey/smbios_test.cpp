// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include <catch2/catch_test_macros.hpp>

#include "survey/smbios.hpp"
#include "unit/survey/written.hpp"

using namespace bulkhead;

namespace {

void add(std::vector<u8>& all, std::vector<u8> formatted, std::initializer_list<std::string_view> strings) {
    formatted[1] = static_cast<u8>(formatted.size());
    all.insert(all.end(), formatted.begin(), formatted.end());
    for (const std::string_view text : strings) {
        all.insert(all.end(), text.begin(), text.end());
        all.push_back(0);
    }
    all.resize(all.size() + (strings.size() == 0 ? 2 : 1));
}

std::vector<u8> machine() {
    std::vector<u8> all;
    add(all, {0, 0, 0, 0, 1, 2, 0, 0, 3, 0}, {"Vendor", "1.2", "01/02/2026"});
    add(all, {1,    0,    0,    0,    1,    2,    0,    3,    0x33, 0x22, 0x11, 0x00,
              0x55, 0x44, 0x77, 0x66, 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff},
        {"Maker", "Box  ", "S123"});
    add(all, {2, 0, 0, 0, 1, 9, 0, 0}, {"Boards"});
    add(all, {127, 0, 0, 0}, {});
    return all;
}

} // namespace

TEST_CASE("inventory: SMBIOS says who made the machine") {
    auto inventory = test::new_inventory();
    const auto bytes = machine();
    survey::survey_smbios(*inventory, bytes);
    CHECK(inventory->unknown.empty());
    CHECK(inventory->board.bios_date.view() == "01/02/2026");
    CHECK(inventory->board.system_product.view() == "Box");
    CHECK(inventory->board.system_version.view().empty());
    CHECK(inventory->board.system_serial.view() == "S123");
    CHECK(inventory->board.system_uuid.view() == "00112233-4455-6677-8899-aabbccddeeff");
    CHECK(inventory->board.board_vendor.view() == "Boards");
    CHECK(inventory->board.board_product.view().empty()); // a number that no string has
    const std::string without = test::written(*inventory, survey::inventory_text_size, survey::Identity::LeftOut);
    CHECK(test::written(*inventory).find("S123") != std::string::npos);
    CHECK(without.find("S123") == std::string::npos);
    CHECK(without.find("00112233") == std::string::npos);
}

TEST_CASE("inventory: SMBIOS may end anywhere") {
    const auto bytes = machine();
    for (std::size_t size = 0; size < bytes.size(); ++size) {
        const std::vector<u8> cut(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(size)); // for ASan
        auto inventory = test::new_inventory();
        survey::survey_smbios(*inventory, cut);
        REQUIRE_NOTHROW(test::parsed(*inventory));
    }
    const std::vector<u8> anchor{'_', 'S', 'M', '3', '_'};
    CHECK_FALSE(survey::parse_smbios_entry(anchor));
}
