// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "config/toml_scalar.hpp"

#include <limits>

namespace bulkhead::toml {
namespace {

struct Base {
    std::string_view prefix;
    u32 radix;
    std::string_view name;
};

// TOML 1.0, "Integer".
constexpr Base bases[] = {{"0x", 16, "hexadecimal"}, {"0o", 8, "octal"}, {"0b", 2, "binary"}};
constexpr Base decimal{"", 10, "decimal"};

/// 36 for what is no digit in any base.
u32 digit_value(char c) {
    if (is_digit(c))
        return static_cast<u32>(c - '0');
    if (c >= 'a' && c <= 'z')
        return static_cast<u32>(c - 'a') + 10;
    if (c >= 'A' && c <= 'Z')
        return static_cast<u32>(c - 'A') + 10;
    return 36;
}

/// What an integer is made of, or of a float or date, so that one message can name the whole.
constexpr bool is_word(char c) { return is_bare(c) || c == '+' || c == '.' || c == ':'; }

/// `where`: of the first digit, behind sign and prefix. `limit`: the largest number that fits.
bool parse_digits(std::string_view digits, const Base& base, u64 limit, Position where, u64& result,
                  Diagnostics& diagnostics) {
    u64 value = 0;
    char previous = '_';
    for (char c : digits) {
        const u32 digit = digit_value(c);
        if (c == '_' ? previous == '_' : digit >= base.radix) {
            if (c == '_')
                diagnostics.error(where, "'_' in a number needs a digit on both sides");
            else
                diagnostics.error(where, Quoted{{&c, 1}}, " is no ", base.name, " digit");
            return false;
        }
        if (c != '_') {
            if (value > (limit - digit) / base.radix) {
                diagnostics.error(where, "this number is too large: an integer has 64 bits, one for the sign");
                return false;
            }
            value = value * base.radix + digit;
        }
        previous = c;
        ++where.column;
    }
    if (previous == '_') {
        if (digits.empty())
            diagnostics.error(where, "a ", base.name, " number needs at least one digit");
        else
            diagnostics.error(where, "'_' in a number needs a digit on both sides");
        return false;
    }
    result = value;
    return true;
}

bool parse_integer(std::string_view word, Scalar& value, Diagnostics& diagnostics) {
    Position where = value.at;
    const bool negative = word.starts_with('-');
    const bool sign = negative || word.starts_with('+');
    Base base = decimal;
    for (const Base& candidate : bases)
        if (!sign && word.starts_with(candidate.prefix))
            base = candidate;
    const std::size_t skip = sign ? 1 : base.prefix.size();
    word.remove_prefix(skip);
    where.column += static_cast<u32>(skip);
    if (base.radix == 10 && word.size() > 1 && word[0] == '0' && (is_digit(word[1]) || word[1] == '_')) {
        diagnostics.error(where, "a decimal number does not start with 0; octal numbers are written 0o17");
        return false;
    }
    constexpr u64 largest = std::numeric_limits<i64>::max();
    u64 magnitude = 0;
    if (!parse_digits(word, base, negative ? largest + 1 : largest, where, magnitude, diagnostics))
        return false;
    value.integer = static_cast<i64>(negative ? 0 - magnitude : magnitude);
    value.kind = ValueKind::Integer;
    return true;
}

bool looks_like_date(std::string_view word) {
    const auto digits_then = [&](std::size_t count, char end) {
        return word.size() > count && word[count] == end &&
               word.substr(0, count).find_first_not_of("0123456789") == std::string_view::npos;
    };
    return digits_then(4, '-') || digits_then(2, ':');
}

bool looks_like_float(std::string_view word) {
    if (word.starts_with('+') || word.starts_with('-'))
        word.remove_prefix(1);
    if (word == "inf" || word == "nan")
        return true;
    return !word.empty() && is_digit(word[0]) && !word.starts_with("0x") &&
           word.find_first_of(".eE") != std::string_view::npos &&
           word.find_first_not_of("0123456789_.eE+-") == std::string_view::npos;
}

bool looks_like_integer(std::string_view word) {
    if (word.starts_with('+') || word.starts_with('-'))
        word.remove_prefix(1);
    return word.empty() || is_digit(word[0]) || word[0] == '_';
}

} // namespace

bool parse_scalar(Cursor& cursor, Scalar& value, Text& arena, Diagnostics& diagnostics) {
    value.at = cursor.position();
    if (cursor.at("\"") || cursor.at("'"))
        return parse_string(cursor, value, arena, diagnostics);
    if (cursor.at("{")) {
        diagnostics.error(value.at, "inline tables are not supported; write a [table] with a key on each line");
        return false;
    }
    const std::string_view word = cursor.take_while(is_word);
    if (word == "true" || word == "false") {
        value.integer = word == "true";
        value.kind = ValueKind::Boolean;
        return true;
    }
    if (word.empty())
        diagnostics.error(value.at, "expected a value, found ", Found{cursor});
    else if (looks_like_date(word))
        diagnostics.error(value.at, "dates and times are not supported: ", Quoted{word});
    else if (looks_like_float(word))
        diagnostics.error(value.at, "numbers with a fraction or exponent are not supported: ", Quoted{word});
    else if (looks_like_integer(word))
        return parse_integer(word, value, diagnostics);
    else
        diagnostics.error(value.at, "expected a value, found ", Quoted{word}, "; text stands in quotes");
    return false;
}

} // namespace bulkhead::toml
