// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include <catch2/catch_test_macros.hpp>

#include "survey/toml_writer.hpp"
#include "tools/toml_library.hpp"

using namespace bulkhead;
using survey::TomlWriter;

TEST_CASE("inventory: texts and numbers come back as they were") {
    std::vector<char> room(4096);
    TomlWriter out(room);
    const std::string odd("quote\" back\\slash\n\x01\x7f tab\t", 26);
    out.text("odd", odd);
    out.comment("a comment\nof one line");
    out.number("largest", (u64{1} << 63) - 1);
    out.hex("hex", 0xfee0'0000, 16);
    out.hex("too-large", ~u64{0});
    out.table("table");
    out.flag("yes", true);
    out.begin_list("list");
    out.word("a");
    out.word("b");
    out.end_list();
    out.item("item");
    out.number("n", 1);
    out.item("item");
    out.number("n", 2);
    const auto table = ::toml::parse(out.finish());
    CHECK(table["odd"].value<std::string>() == odd);
    CHECK(table["largest"].value<i64>() == INT64_MAX);
    CHECK(table["hex"].value<i64>() == 0xfee0'0000);
    CHECK(table["too-large"].value<std::string>() == "0xffffffffffffffff");
    CHECK(table["table"]["yes"].value<bool>() == true);
    CHECK(table["table"]["list"].as_array()->size() == 2);
    CHECK(table["item"][1]["n"].value<i64>() == 2);
}

TEST_CASE("inventory: a table without room is left out as a whole, and that is said") {
    for (std::size_t size = 0; size < 2048; ++size) {
        std::vector<char> room(size);
        TomlWriter out(room);
        out.number("schema", 1);
        for (u64 i = 0; i < 40; ++i) {
            out.item("item");
            out.number("n", i);
            out.text("text", "of some length");
        }
        const std::string_view text = out.finish();
        REQUIRE(text.size() <= size);
        const auto table = ::toml::parse(text);
        const auto* items = table["item"].as_array();
        const u64 kept = items == nullptr ? 0 : items->size();
        for (u64 i = 0; i < kept; ++i)
            REQUIRE((*items)[i].as_table()->size() == 2);
        if (size > 200)
            REQUIRE(static_cast<u64>(table["left-out"]["tables"].value_or(0)) + kept == 40);
    }
}
