// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// What the parser says of each kind of error, and where.
#include <catch2/catch_test_macros.hpp>

#include "parsed.hpp"

using namespace bulkhead;
using namespace bulkhead::test;
using namespace std::string_view_literals;

namespace {

struct Case {
    std::string_view text;
    std::string_view faults;
};

constexpr Case cases[] = {
    {"a = 1 b"sv, "f:1:7: error: expected the end of the line, found 'b'\n"},
    {"a 1"sv, "f:1:3: error: expected '=' after 'a', found '1'\n"},
    {"a"sv, "f:1:2: error: expected '=' after 'a', found the end of the file\n"},
    {"a =\nb = 1"sv, "f:1:4: error: expected a value, found the end of the line\n"},
    {"= 1"sv, "f:1:1: error: there is no name before '='\n"},
    {"?"sv, "f:1:1: error: expected the end of the line, found '?'\n"},
    {"a = yes"sv, "f:1:5: error: expected a value, found 'yes'; text stands in quotes\n"},
    {"a = ?"sv, "f:1:5: error: expected a value, found '?'\n"},
    {"\n\n\t a = \"x"sv, "f:3:7: error: this string has no closing \" on its line\n"},
    {"a = 'x\r\nb = 'y"sv, "f:1:5: error: this string has no closing ' on its line\n"
                           "f:2:5: error: this string has no closing ' on its line\n"},
    {R"(a = "C:\dir")"sv,
     "f:1:8: error: a backslash before 'd' is no escape; write two backslashes for one, or put the "
     "text in single quotes\n"},
    {R"(a = "é\uD800")"sv,
     "f:1:7: error: there is no character U+0xd800; Unicode ends at 0x10ffff and leaves out 0xd800 to 0xdfff\n"},
    {R"(a = "\u00g0")"sv, "f:1:10: error: this escape needs 4 hexadecimal digits, not 'g'\n"},
    {R"(a = "\U0000")"sv, "f:1:12: error: this escape needs 8 hexadecimal digits, not '\"'\n"},
    {"a = \"x\0\""sv, "f:1:7: error: a control character (0x00) cannot stand in a string\n"},
    {"a = \"\xff\""sv, "f:1:6: error: a byte that is not UTF-8 (0xff) cannot stand in a string\n"},
    {"# \x01"sv, "f:1:3: error: a control character (0x01) cannot stand in a configuration\n"},
    {"a = 1 # \xc3\xa9\xe9"sv, "f:1:10: error: a byte that is not UTF-8 (0xe9) cannot stand in a configuration\n"},
    {"a = 1\rb = 2"sv, "f:1:6: error: a carriage return without a line feed cannot stand in a configuration\n"},
    {"\0"sv, "f:1:1: error: a control character (0x00) cannot stand in a configuration\n"},
    {"\xff\xfe"
     "a\0"sv,
     "f:1:1: error: this file is in UTF-16; save it as UTF-8\n"},
    {"\xef\xbb\xbf" // a byte order mark is no part of the first line
     "a = ?"sv,
     "f:1:5: error: expected a value, found '?'\n"},
    {"\n\xef\xbb\xbf"
     "a = 1"sv,
     "f:2:1: error: expected the end of the line, found '\\u{0xfeff}'\n"},
    {"a = 1_"sv, "f:1:7: error: '_' in a number needs a digit on both sides\n"},
    {"a = 1__0"sv, "f:1:7: error: '_' in a number needs a digit on both sides\n"},
    {"a = 0x"sv, "f:1:7: error: a hexadecimal number needs at least one digit\n"},
    {"a = -"sv, "f:1:6: error: a decimal number needs at least one digit\n"},
    {"a = 0b102"sv, "f:1:9: error: '2' is no binary digit\n"},
    {"a = 12k"sv, "f:1:7: error: 'k' is no decimal digit\n"},
    {"a = 017"sv, "f:1:5: error: a decimal number does not start with 0; octal numbers are written 0o17\n"},
    {"a = 9223372036854775808"sv,
     "f:1:23: error: this number is too large: an integer has 64 bits, one for the sign\n"},
    {"a = 1.5"sv, "f:1:5: error: numbers with a fraction or exponent are not supported: '1.5'\n"},
    {"a = 1979-05-27T07:32:00Z"sv, "f:1:5: error: dates and times are not supported: '1979-05-27T07:32:00Z'\n"},
    {"a = { b = 1 }"sv, "f:1:5: error: inline tables are not supported; write a [table] with a key on each line\n"},
    {"a = \"\"\"\nx = \n\"\"\"\n= 1"sv,
     "f:1:5: error: multi-line strings are not supported; write the string on one line, in \"...\"\n"
     "f:4:1: error: there is no name before '='\n"},
    {"'a' = 1"sv, "f:1:1: error: names in quotes are not supported; a name has the characters A-Z a-z 0-9 _ -\n"},
    {"a.b = 1"sv, "f:1:2: error: names with dots are not supported\n"},
    {"[a.b]\nx = 1\nx = 2"sv, "f:1:3: error: names with dots are not supported\n"
                              "f:3:1: error: 'x' is given twice; the first one is in line 2\n"},
    {"[]"sv, "f:1:2: error: expected the name of a table, found ']'\n"},
    {"[[a]\nb = 1"sv, "f:1:4: error: expected ']]', found ']'\n"},
    {"[a]]"sv, "f:1:4: error: expected the end of the line, found ']'\n"},
    {"[a"sv, "f:1:3: error: expected ']', found the end of the file\n"},
    {"[a]\nb = 1\n[a]"sv, "f:3:2: error: there already is a table 'a', in line 1\n"},
    {"[[a]]\n\n[a]"sv, "f:3:2: error: there already is a table 'a', in line 1\n"},
    {"a = 1\n[[a]]"sv, "f:2:3: error: there already is a key 'a', in line 1\n"},
    {"a = 1\nb = 2\na = 3\na = 4"sv, "f:3:1: error: 'a' is given twice; the first one is in line 1\n"
                                     "f:4:1: error: 'a' is given twice; the first one is in line 1\n"},
    {"a = [1 2]"sv, "f:1:8: error: expected ',' or ']', found '2'\n"},
    {"a = [,]"sv, "f:1:6: error: expected a value, found ','\n"},
    {"a = [[1]]"sv, "f:1:6: error: arrays in arrays are not supported\n"},
    {"a = [1, # x\n 2\nb = ["sv, "f:1:5: error: this array has no closing ']'\n"
                                 "f:3:5: error: this array has no closing ']'\n"},
    {"a = [1,\n[[b]]\nc = ?"sv, "f:1:5: error: this array has no closing ']'\n"
                                "f:3:5: error: expected a value, found '?'\n"},
    {"a = [1,\n x,\n 2, 3,\n y]\nc = ?"sv, "f:2:2: error: expected a value, found 'x'; text stands in quotes\n"
                                           "f:4:2: error: expected a value, found 'y'; text stands in quotes\n"
                                           "f:5:5: error: expected a value, found '?'\n"},
    {"a = [\"x, 1\nb = 1"sv, "f:1:6: error: this string has no closing \" on its line\n"},
};

} // namespace

TEST_CASE("TOML: each error has its place and says what is wrong") {
    for (const Case& example : cases) {
        INFO(example.text);
        CHECK(Parsed(example.text).printed() == example.faults);
    }
}

TEST_CASE("TOML: all errors of a file are reported, and what is right between them is kept") {
    const Parsed parsed("a = \nb = 2\nc = [1, 2\n[t] x\nd = \"\\q\"\ne = 3\n");
    CHECK(parsed.diagnostics.all().size() == 4);
    REQUIRE(parsed.entries.size() == 6);
    CHECK(parsed.entries[0].value.kind == toml::ValueKind::Invalid);
    CHECK(parsed.entries[1].value.integer == 2);
    CHECK(parsed.entries[3].kind == toml::EntryKind::Table);
    CHECK(parsed.entries[5].value.integer == 3);
}

TEST_CASE("TOML: very long names, values and lines") {
    const std::string name(100000, 'n');
    const std::string value(100000, 'v');
    const Parsed parsed(name + " = \"" + value + "\" # " + value + "\n" + name + " = 1");
    REQUIRE(parsed.entries.size() == 2);
    CHECK(parsed.entries[0].name == name);
    CHECK(parsed.entries[0].value.string == value);
    REQUIRE(parsed.diagnostics.all().size() == 1);
    CHECK(parsed.diagnostics.all()[0].message.size() < 200);
}

TEST_CASE("TOML: what is too much for the storage is an error") {
    std::string keys;
    for (int i = 0; i < 1025; ++i)
        keys += "k" + std::to_string(i) + " = 1\n";
    CHECK(Parsed(keys).printed() ==
          "f:1025:1: error: the file is too long: a configuration has at most 1024 keys and tables\n");

    std::string array = "a = [";
    for (int i = 0; i < 1025; ++i)
        array += "1,";
    CHECK(Parsed(array + "]").printed() ==
          "f:1:2054: error: there are too many values in arrays; a configuration has at most 1024\n");

    Faults faults;
    std::vector<char> small(4);
    CHECK(toml::parse("a = 12", {{}, {}, small}, faults.diagnostics).empty());
    CHECK(faults.printed() ==
          "f:1:5: error: the file has 6 bytes; a configuration has at most 4 bytes, and ends here\n");
}

TEST_CASE("Diagnostics: errors beyond the storage are counted") {
    std::vector<Diagnostic> list(2);
    std::vector<char> text(100);
    Diagnostics diagnostics(list, text);
    diagnostics.error({3, 1}, "c");
    diagnostics.error({1, 5}, "a");
    diagnostics.error({2, 1}, "b");
    CHECK(Faults::print(diagnostics) == "f:1:5: error: a\nf:3:1: error: c\n");
    CHECK(diagnostics.lost() == 1);
    diagnostics.clear();
    CHECK(diagnostics.empty());
}

TEST_CASE("Quoted: what a file contains cannot confuse a terminal") {
    Line<200> line;
    line << Quoted{"a\x1b[2J\xff\xc3\xa9\n"};
    CHECK(line.view() == "'a\\u{0x1b}[2J\\xff\xc3\xa9\\u{0xa}'");
    line.clear();
    line << Quoted{"\u202ea\u0085\u200b\u00e9"};
    CHECK(line.view() == "'\\u{0x202e}a\\u{0x85}\\u{0x200b}\u00e9'");
    line.clear();
    line << Quoted{std::string(100, 'x')};
    CHECK(line.view() == "'" + std::string(60, 'x') + "...'");
}
