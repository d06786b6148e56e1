// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include <optional>

#include "config/toml_scalar.hpp"

namespace bulkhead::toml {
namespace {

struct Escape {
    char letter;
    char32_t meaning;
};

// TOML 1.0, "String".
constexpr Escape escapes[] = {{'b', 8}, {'t', 9}, {'n', 10}, {'f', 12}, {'r', 13}, {'"', '"'}, {'\\', '\\'}};

std::optional<u32> hex_digit(char c) {
    if (is_digit(c))
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return {};
}

/// The digits of \uXXXX or \UXXXXXXXX.
bool parse_code_point(Cursor& cursor, unsigned digits, Position start, Text& arena, Diagnostics& diagnostics) {
    char32_t code = 0;
    for (unsigned i = 0; i < digits; ++i) {
        const auto digit = cursor.at_end() ? std::nullopt : hex_digit(cursor.rest().front());
        if (!digit) {
            diagnostics.error(cursor.position(), "this escape needs ", digits, " hexadecimal digits, not ",
                              Found{cursor});
            return false;
        }
        code = code << 4 | *digit;
        cursor.advance();
    }
    if (code > 0x10ffff || (code >= 0xd800 && code < 0xe000)) {
        diagnostics.error(start, "there is no character U+", Hex{code, digits},
                          "; Unicode ends at 0x10ffff and leaves "
                          "out 0xd800 to 0xdfff");
        return false;
    }
    encode_utf8(arena, code);
    return true;
}

bool parse_escape(Cursor& cursor, Text& arena, Diagnostics& diagnostics) {
    const Position start = cursor.position();
    cursor.advance();
    if (cursor.accept("u"))
        return parse_code_point(cursor, 4, start, arena, diagnostics);
    if (cursor.accept("U"))
        return parse_code_point(cursor, 8, start, arena, diagnostics);
    for (const Escape& escape : escapes) {
        if (cursor.peek().code == static_cast<u8>(escape.letter) && !cursor.at_end()) {
            cursor.advance();
            encode_utf8(arena, escape.meaning);
            return true;
        }
    }
    diagnostics.error(start, "a backslash before ", Found{cursor},
                      " is no escape; write two backslashes for one, or put the text in single quotes");
    return false;
}

/// Multi-line strings are left out; goes behind the one that starts here, so that its text is not taken for keys.
void refuse_multi_line(Cursor& cursor, std::string_view quotes, Diagnostics& diagnostics) {
    diagnostics.error(cursor.position(),
                      "multi-line strings are not supported; write the string on one line, in \"...\"");
    cursor.accept(quotes);
    if (cursor.rest().find(quotes) == std::string_view::npos)
        return;
    while (!cursor.accept(quotes))
        cursor.advance();
}

} // namespace

bool parse_string(Cursor& cursor, Scalar& value, Text& arena, Diagnostics& diagnostics) {
    const Position start = cursor.position();
    const bool basic = cursor.at("\"");
    const std::string_view quote = basic ? "\"" : "'";
    const std::string_view multi_line = basic ? "\"\"\"" : "'''";
    if (cursor.at(multi_line)) {
        refuse_multi_line(cursor, multi_line, diagnostics);
        return false;
    }
    cursor.accept(quote);
    const std::size_t begin = arena.view().size();
    while (!cursor.accept(quote)) {
        const Character next = cursor.peek();
        if (cursor.at_end() || cursor.at_newline()) {
            diagnostics.error(start, "this string has no closing ", quote, " on its line");
            return false;
        }
        if (!is_text(next)) {
            diagnostics.error(cursor.position(), Found{cursor}, " cannot stand in a string");
            return false;
        }
        if (basic && next.code == '\\') {
            if (!parse_escape(cursor, arena, diagnostics))
                return false;
            continue;
        }
        arena << cursor.rest().substr(0, next.size);
        cursor.advance();
    }
    value.string = arena.view().substr(begin);
    value.kind = ValueKind::String;
    return true;
}

} // namespace bulkhead::toml
