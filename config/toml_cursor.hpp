// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#pragma once

#include <string_view>

#include "base/text.hpp"
#include "config/diagnostics.hpp"
#include "config/position.hpp"
#include "config/utf8.hpp"

namespace bulkhead::toml {

/// Reads a file character by character and knows the line and column.
class Cursor {
public:
    explicit Cursor(std::string_view text) : rest_(text) {}

    [[nodiscard]] Position position() const { return position_; }
    [[nodiscard]] bool at_end() const { return rest_.empty(); }
    [[nodiscard]] bool at(std::string_view text) const { return rest_.starts_with(text); }
    [[nodiscard]] bool at_newline() const { return at("\n") || at("\r\n"); }
    [[nodiscard]] Character peek() const { return decode_utf8(rest_); }
    /// What is not yet read of the file.
    [[nodiscard]] std::string_view rest() const { return rest_; }

    /// Goes over one character. A newline is one, with or without its carriage return.
    void advance() {
        if (at("\r\n"))
            rest_.remove_prefix(1);
        const bool newline = at("\n");
        rest_.remove_prefix(peek().size);
        position_ = newline ? Position{position_.line + 1, 1} : Position{position_.line, position_.column + 1};
    }
    /// Goes over `text`, which has no newline and is ASCII, if it is next.
    bool accept(std::string_view text) {
        if (!at(text))
            return false;
        rest_.remove_prefix(text.size());
        position_.column += static_cast<u32>(text.size());
        return true;
    }
    void skip_blanks() {
        while (at(" ") || at("\t"))
            advance();
    }
    /// To the newline or the end of the file.
    void skip_to_line_end() {
        while (!at_end() && !at_newline())
            advance();
    }
    /// Goes over as many characters as `belongs` holds for, and returns them.
    template <class Predicate> std::string_view take_while(Predicate belongs) {
        const std::string_view start = rest_;
        while (!at_end() && belongs(rest_.front()))
            advance();
        return start.substr(0, start.size() - rest_.size());
    }

private:
    std::string_view rest_;
    Position position_{1, 1};
};

/// Where a cursor stands, for a message: "the end of the line", "'x'", "a byte that is not UTF-8 (0xff)".
struct Found {
    const Cursor& cursor;
};

inline Text& operator<<(Text& text, Found found) {
    const Character next = found.cursor.peek();
    if (found.cursor.at_end())
        return text << "the end of the file";
    if (found.cursor.at_newline())
        return text << "the end of the line";
    if (!next.valid)
        return text << "a byte that is not UTF-8 (" << Hex{next.code, 2} << ')';
    if (next.code == '\r')
        return text << "a carriage return without a line feed";
    if (is_control(next.code))
        return text << "a control character (" << Hex{next.code, 2} << ')';
    return text << Quoted{found.cursor.rest().substr(0, next.size)};
}

/// True for what may stand in a string or comment.
inline bool is_text(Character next) { return next.valid && !is_control(next.code); }

constexpr bool is_digit(char c) { return c >= '0' && c <= '9'; }
/// TOML 1.0, "Keys": a bare key.
constexpr bool is_bare(char c) {
    return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '-';
}

} // namespace bulkhead::toml
