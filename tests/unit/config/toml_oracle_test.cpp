// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// Whatever our parser accepts, toml++ must accept with the same values at the same places. Whatever only toml++ accepts
// is TOML outside of our subset: then our message must say so.
#include <random>

#include <catch2/catch_test_macros.hpp>

#include "parsed.hpp"
#include "toml_oracle.hpp"

using namespace bulkhead;
using namespace bulkhead::test;

namespace {

enum class Outcome { BothAccept, BothRefuse, OutsideOfTheSubset, Disagree };

Outcome compare(std::string_view text) {
    const Parsed ours(text);
    try {
        const oracle::table theirs = oracle::parse(text);
        if (ours.diagnostics.empty())
            return same_document(ours.entries, theirs) ? Outcome::BothAccept : Outcome::Disagree;
        for (const Diagnostic& diagnostic : ours.diagnostics.all())
            if (diagnostic.message.contains("not supported"))
                return Outcome::OutsideOfTheSubset;
        return Outcome::Disagree;
    } catch (const oracle::parse_error&) {
        return ours.diagnostics.empty() ? Outcome::Disagree : Outcome::BothRefuse;
    }
}

struct Case {
    std::string_view text;
    Outcome expected;
};

using namespace std::string_view_literals;

constexpr Case cases[] = {
    {""sv, Outcome::BothAccept},
    {"\n\n  \t\n"sv, Outcome::BothAccept},
    {"# only a comment"sv, Outcome::BothAccept},
    {"\xef\xbb\xbf"
     "a = 1"sv,
     Outcome::BothAccept},
    {"a = 1\xef\xbb\xbf"sv, Outcome::BothRefuse},
    {"a=1"sv, Outcome::BothAccept},
    {"a = 1 # c\r\nb = 2\r\n"sv, Outcome::BothAccept},
    {"a = 1\rb = 2"sv, Outcome::BothRefuse},
    {"a = 1 # c\rb = 2"sv, Outcome::BothRefuse},
    {"a = 1 b = 2"sv, Outcome::BothRefuse},
    {"a ="sv, Outcome::BothRefuse},
    {"a"sv, Outcome::BothRefuse},
    {"= 1"sv, Outcome::BothRefuse},
    {"a\n= 1"sv, Outcome::BothRefuse},
    {"a =\n1"sv, Outcome::BothRefuse},
    {"1234 = 1\n-_- = 2"sv, Outcome::BothAccept},
    {"a = 1\na = 2"sv, Outcome::BothRefuse},
    {"\0"sv, Outcome::BothRefuse},
    {"a = 1\0"sv, Outcome::BothRefuse},
    {"a = 1 # \0"sv, Outcome::BothRefuse},
    {"# \xff"sv, Outcome::BothRefuse},
    {"# caf\xc3\xa9 \xf0\x9f\x98\x80"sv, Outcome::BothAccept},
    {"# \x7f"sv, Outcome::BothRefuse},
    {"# tab\there"sv, Outcome::BothAccept},
    {"caf\xc3\xa9 = 1"sv, Outcome::BothRefuse},
    {"\"a\" = 1"sv, Outcome::OutsideOfTheSubset},
    {"'a' = 1"sv, Outcome::OutsideOfTheSubset},
    {"a.b = 1"sv, Outcome::OutsideOfTheSubset},
    {"a . b = 1"sv, Outcome::OutsideOfTheSubset},
    {"[a.b]\nc = 1"sv, Outcome::OutsideOfTheSubset},
    {"[\"a\"]"sv, Outcome::OutsideOfTheSubset},
    // Integers
    {"a = 0\nb = +0\nc = -0\nd = +99\ne = -17"sv, Outcome::BothAccept},
    {"a = 1_000\nb = 5_349_221\nc = 1_2_3"sv, Outcome::BothAccept},
    {"a = 0xDEADBEEF\nb = 0xdead_beef\nc = 0o755\nd = 0b1101_0110"sv, Outcome::BothAccept},
    {"a = 0x00\nb = 0o007\nc = 0b0001"sv, Outcome::BothAccept},
    {"a = 9223372036854775807\nb = -9223372036854775808"sv, Outcome::BothAccept},
    {"a = 0x7fffffffffffffff"sv, Outcome::BothAccept},
    {"a = 9223372036854775808"sv, Outcome::BothRefuse},
    {"a = -9223372036854775809"sv, Outcome::BothRefuse},
    {"a = 0x8000000000000000"sv, Outcome::BothRefuse},
    {"a = 0xffffffffffffffffffff"sv, Outcome::BothRefuse},
    {"a = 99999999999999999999999"sv, Outcome::BothRefuse},
    {"a = 01"sv, Outcome::BothRefuse},
    {"a = -01"sv, Outcome::BothRefuse},
    {"a = 0_1"sv, Outcome::BothRefuse},
    {"a = _1"sv, Outcome::BothRefuse},
    {"a = 1_"sv, Outcome::BothRefuse},
    {"a = 1__0"sv, Outcome::BothRefuse},
    {"a = 0x_1"sv, Outcome::BothRefuse},
    {"a = 0x"sv, Outcome::BothRefuse},
    {"a = 0X1"sv, Outcome::BothRefuse},
    {"a = 0o8"sv, Outcome::BothRefuse},
    {"a = 0b2"sv, Outcome::BothRefuse},
    {"a = +0x1"sv, Outcome::BothRefuse},
    {"a = -0x1"sv, Outcome::BothRefuse},
    {"a = +"sv, Outcome::BothRefuse},
    {"a = ++1"sv, Outcome::BothRefuse},
    {"a = 12a"sv, Outcome::BothRefuse},
    {"a = 1 2"sv, Outcome::BothRefuse},
    // Left out
    {"a = 1.5"sv, Outcome::OutsideOfTheSubset},
    {"a = 1e3"sv, Outcome::OutsideOfTheSubset},
    {"a = -1E-3"sv, Outcome::OutsideOfTheSubset},
    {"a = inf\nb = -nan"sv, Outcome::OutsideOfTheSubset},
    {"a = 1."sv, Outcome::BothRefuse},
    {"a = .5"sv, Outcome::BothRefuse},
    {"a = 1979-05-27"sv, Outcome::OutsideOfTheSubset},
    {"a = 1979-05-27 07:32:00"sv, Outcome::OutsideOfTheSubset},
    {"a = 1979-05-27T07:32:00.5-07:00"sv, Outcome::OutsideOfTheSubset},
    {"a = 07:32:00"sv, Outcome::OutsideOfTheSubset},
    {"a = {}"sv, Outcome::OutsideOfTheSubset},
    {"a = { b = 1, c = \"x\" }"sv, Outcome::OutsideOfTheSubset},
    {"a = \"\"\"x\ny = 1\"\"\"\nb = 2"sv, Outcome::OutsideOfTheSubset},
    {"a = '''x\n[y'''"sv, Outcome::OutsideOfTheSubset},
    {"a = \"\"\"x"sv, Outcome::BothRefuse},
    {"a = [[1], [2]]"sv, Outcome::OutsideOfTheSubset},
    {"a = [\n[1],\n[2]]"sv, Outcome::OutsideOfTheSubset},
    {"a = [1.5]"sv, Outcome::OutsideOfTheSubset},
    // Booleans
    {"a = true\nb = false"sv, Outcome::BothAccept},
    {"a = True"sv, Outcome::BothRefuse},
    {"a = truee"sv, Outcome::BothRefuse},
    {"a = yes"sv, Outcome::BothRefuse},
    // Strings
    {R"(a = "")"sv, Outcome::BothAccept},
    {R"(a = '')"sv, Outcome::BothAccept},
    {R"(a = "\b\t\n\f\r\"\\")"sv, Outcome::BothAccept},
    {R"(a = "\u00e9\u0000\uD7FF\uE000\uFFFF\U0001F600\U0010FFFF")"sv, Outcome::BothAccept},
    {R"(a = "\uD800")"sv, Outcome::BothRefuse},
    {R"(a = "\uDFFF")"sv, Outcome::BothRefuse},
    {R"(a = "\U00110000")"sv, Outcome::BothRefuse},
    {R"(a = "\U0000D800")"sv, Outcome::BothRefuse},
    {R"(a = "\UFFFFFFFF")"sv, Outcome::BothRefuse},
    {R"(a = "\u12")"sv, Outcome::BothRefuse},
    {R"(a = "\u12g4")"sv, Outcome::BothRefuse},
    {R"(a = "\x41")"sv, Outcome::BothRefuse},
    {R"(a = "\e")"sv, Outcome::BothRefuse},
    {R"(a = "\ ")"sv, Outcome::BothRefuse},
    {R"(a = "\)"sv, Outcome::BothRefuse},
    {R"(a = "\")"sv, Outcome::BothRefuse},
    {R"(a = '\u00e9\')"sv, Outcome::BothAccept},
    {R"(a = 'it's')"sv, Outcome::BothRefuse},
    {"a = \"x"sv, Outcome::BothRefuse},
    {"a = \"x\ny\""sv, Outcome::BothRefuse},
    {"a = 'x\ny'"sv, Outcome::BothRefuse},
    {"a = 'tab\there'\nb = \"tab\there\""sv, Outcome::BothAccept},
    {"a = \"\x01\""sv, Outcome::BothRefuse},
    {"a = '\x1f'"sv, Outcome::BothRefuse},
    {"a = \"\x7f\""sv, Outcome::BothRefuse},
    {"a = \"x\0y\""sv, Outcome::BothRefuse},
    {"a = \"caf\xc3\xa9 \xf0\x9f\x98\x80 \xe2\x80\xa8\" # \xc2\x85"sv, Outcome::BothAccept},
    {"a = \"\xc0\x80\""sv, Outcome::BothRefuse},
    {"a = \"\xed\xa0\x80\""sv, Outcome::BothRefuse},
    {"a = \"\xf4\x90\x80\x80\""sv, Outcome::BothRefuse},
    {"a = \"\xe2\x82\""sv, Outcome::BothRefuse},
    {"a = \"\xe2"sv, Outcome::BothRefuse},
    {"a = '\xff'"sv, Outcome::BothRefuse},
    // Arrays
    {"a = []\nb = [ ]\nc = [1]\nd = [1,]\ne = [ 1 , 2 , ]"sv, Outcome::BothAccept},
    {"a = [ # c\n 1, # d\n\n \"x\"\n , true # e\n]\nb = 1"sv, Outcome::BothAccept},
    {"a = [\r\n1,\r\n2\r\n]\r\n"sv, Outcome::BothAccept},
    {"a = [1 2]"sv, Outcome::BothRefuse},
    {"a = [,]"sv, Outcome::BothRefuse},
    {"a = [1,,2]"sv, Outcome::BothRefuse},
    {"a = [1"sv, Outcome::BothRefuse},
    {"a = [1,\nb = 2"sv, Outcome::BothRefuse},
    {"a = [1]]"sv, Outcome::BothRefuse},
    {"a = [1] 2"sv, Outcome::BothRefuse},
    {"a = [ # \xff\n]"sv, Outcome::BothRefuse},
    // Tables
    {"[a]\nx = 1\n[b]\nx = 2"sv, Outcome::BothAccept},
    {"[ a ]\n[\tb\t] # c"sv, Outcome::BothAccept},
    {"[[a]]\nx = 1\n[[ a ]]\nx = 2\n[b]\n[[a]]"sv, Outcome::BothAccept},
    {"[a]\n[a]"sv, Outcome::BothRefuse},
    {"[a]\n[[a]]"sv, Outcome::BothRefuse},
    {"[[a]]\n[a]"sv, Outcome::BothRefuse},
    {"a = 1\n[a]"sv, Outcome::BothRefuse},
    {"a = [1]\n[[a]]"sv, Outcome::BothRefuse},
    {"a = []\n[[a]]"sv, Outcome::BothRefuse},
    {"b = 1\n[a]\nb = 2\n[c]\na = 3\n[b]"sv, Outcome::BothRefuse},
    {"[a]\nb = 1\n[b]"sv, Outcome::BothAccept},
    {"[a"sv, Outcome::BothRefuse},
    {"[]"sv, Outcome::BothRefuse},
    {"[[]]"sv, Outcome::BothRefuse},
    {"[a] x = 1"sv, Outcome::BothRefuse},
    {"[[a]"sv, Outcome::BothRefuse},
    {"[a]]"sv, Outcome::BothRefuse},
    {"[ [a]]"sv, Outcome::BothRefuse},
    {"[[a] ]"sv, Outcome::BothRefuse},
    {"[a b]"sv, Outcome::BothRefuse},
    {"[a\n]"sv, Outcome::BothRefuse},
};

constexpr std::string_view valid = R"(# A machine for two.
[hypervisor]
console-port = 0x3f8   # COM1
console-baud = 115_200
debug-needless-intercept = false

[[guest]]
name = "rt"
cpus = [1, 2,
        3 ] # three
memory = "512 MiB"
kernel = 'guests\vmlinuz'
cmdline = "console=ttyS0 \u0022caf\u00e9\u0022 é"
numbers = [0x10, 0o17, 0b101, -9, +1_000, "x\ty", true]

[[guest]]
name = "linux"
cpus = 2
memory = 1073741824
)";

/// What mutations insert: the pieces of TOML, inside and outside of the subset.
constexpr std::string_view pieces[] = {
    "\"",
    "'",
    "\\",
    "\\u00e9",
    "\\U0001F600",
    "\\uD800",
    "\\x",
    "=",
    "[",
    "]",
    "[[",
    "]]",
    ",",
    "#",
    ".",
    "_",
    "-",
    "+",
    "0",
    "0x",
    "0o",
    "0b",
    "9",
    "1e5",
    "1.5",
    "true",
    "false",
    "inf",
    "nan",
    "\n",
    "\r\n",
    "\r",
    " ",
    "\t",
    "{",
    "}",
    "\"\"\"",
    "'''",
    "1979-05-27",
    "07:32:00",
    "\x00"sv,
    "\x7f",
    "\xff",
    "\xc3\xa9",
    "\xe2\x82",
    "\xef\xbb\xbf",
    "\xed\xa0\x80",
    "a",
    "name",
    "guest",
    "[a]\n",
    "[[guest]]\n",
    "key = 1\n",
    "x = [1, 2]\n",
    "9223372036854775807",
    "9223372036854775808",
};

std::string mutate(std::mt19937& random) {
    std::string text(valid);
    const auto below = [&](std::size_t limit) { return random() % limit; };
    for (std::size_t n = 1 + below(3); n > 0; --n) {
        const std::size_t at = below(text.size() + 1);
        const std::size_t length = std::min<std::size_t>(below(12), text.size() - at);
        switch (below(5)) {
        case 0:
            text.erase(at, length);
            break;
        case 1:
            text.insert(at, pieces[below(std::size(pieces))]);
            break;
        case 2:
            text.replace(at, length, pieces[below(std::size(pieces))]);
            break;
        case 3:
            text.insert(below(text.size() + 1), text.substr(at, length * 4));
            break;
        case 4:
            if (at < text.size())
                text[at] = static_cast<char>(random());
            break;
        }
    }
    return text;
}

} // namespace

TEST_CASE("TOML: the subset means the same to toml++") {
    for (const Case& example : cases) {
        INFO(example.text);
        INFO(Parsed(example.text).printed());
        CHECK(compare(example.text) == example.expected);
    }
}

TEST_CASE("TOML: mutations of a configuration mean the same to toml++") {
    std::mt19937 random(20240229); // its sequence is part of the standard
    std::map<Outcome, int> count;
    for (int i = 0; i < 10000; ++i) {
        const std::string text = mutate(random);
        const Outcome outcome = compare(text);
        ++count[outcome];
        if (outcome == Outcome::Disagree) {
            INFO(text);
            INFO(Parsed(text).printed());
            CHECK(outcome != Outcome::Disagree);
        }
    }
    // All of them occur, else the mutations prove little.
    CHECK(count[Outcome::BothAccept] > 500);
    CHECK(count[Outcome::BothRefuse] > 500);
    CHECK(count[Outcome::OutsideOfTheSubset] > 10);
}
