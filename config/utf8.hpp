// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#pragma once

#include <string_view>

#include "base/text.hpp"
#include "base/types.hpp"

namespace bulkhead {

/// One character of a text in UTF-8.
struct Character {
    char32_t code = 0; ///< where it is not valid: the byte
    u32 size = 0;      ///< bytes; 0: the text is at its end
    bool valid = false;
};

/// The first character of `text`. Refuses what is not the shortest form, surrogates, and numbers above U+10FFFF
/// (Unicode 15, table 3-7); such a byte counts as a character of its own.
[[nodiscard]] constexpr Character decode_utf8(std::string_view text) {
    if (text.empty())
        return {};
    const auto byte = [&](std::size_t i) { return i < text.size() ? static_cast<u8>(text[i]) : u8{0}; };
    const u8 first = byte(0);
    if (first < 0x80)
        return {first, 1, true};
    const Character refused{first, 1, false};
    const u32 size = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
    if (first < 0xc2 || first > 0xf4)
        return refused;
    char32_t code = first & (0x7f >> size);
    for (u32 i = 1; i < size; ++i) {
        if ((byte(i) & 0xc0) != 0x80)
            return refused;
        code = code << 6 | (byte(i) & 0x3f);
    }
    const char32_t smallest = size == 4 ? 0x10000 : size == 3 ? 0x800 : 0x80;
    if (code < smallest || code > 0x10ffff || (code >= 0xd800 && code < 0xe000))
        return refused;
    return {code, size, true};
}

/// `code` must be a Unicode scalar value.
constexpr void encode_utf8(Text& out, char32_t code) {
    const auto put = [&](char32_t byte) { out << static_cast<char>(byte); };
    if (code < 0x80) {
        put(code);
    } else if (code < 0x800) {
        put(0xc0 | code >> 6);
        put(0x80 | (code & 0x3f));
    } else if (code < 0x10000) {
        put(0xe0 | code >> 12);
        put(0x80 | (code >> 6 & 0x3f));
        put(0x80 | (code & 0x3f));
    } else {
        put(0xf0 | code >> 18);
        put(0x80 | (code >> 12 & 0x3f));
        put(0x80 | (code >> 6 & 0x3f));
        put(0x80 | (code & 0x3f));
    }
}

/// What TOML allows in no string and no comment: control characters other than tab (TOML 1.0, "Comment" and "String").
[[nodiscard]] constexpr bool is_control(char32_t code) { return (code < 0x20 && code != '\t') || code == 0x7f; }

/// What TOML allows and a person does not see, or sees the text around it moved by: the control characters of ISO 6429
/// that many terminals obey, no-break space, direction marks and overrides, joiners, line separators (Unicode 15, 23.1
/// and 23.2).
[[nodiscard]] constexpr bool is_invisible(char32_t code) {
    return (code >= 0x80 && code <= 0xa0) || code == 0xad || (code >= 0x200b && code < 0x2010) ||
           (code >= 0x2028 && code < 0x202f) || (code >= 0x2060 && code < 0x2070) || code == 0xfeff;
}

} // namespace bulkhead
