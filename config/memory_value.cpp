// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// `memory`: "512 MiB", "50%", ["1 GiB at 0x100000000", "512 MiB at 6 GiB"].
#include <limits>

#include "config/values.hpp"

namespace bulkhead {
namespace {

struct Unit {
    std::string_view name;
    u64 bytes;
};
constexpr Unit units[] = {{"KiB", KiB}, {"MiB", MiB}, {"GiB", GiB}};

/// Units that people write and that are not clear, or not ours.
struct OtherUnit {
    std::string_view name;
    std::string_view instead;
};
constexpr OtherUnit other_units[] = {{"K", "KiB"},   {"k", "KiB"},   {"KB", "KiB"},  {"kB", "KiB"}, {"kb", "KiB"},
                                     {"kib", "KiB"}, {"M", "MiB"},   {"m", "MiB"},   {"MB", "MiB"}, {"Mb", "MiB"},
                                     {"mb", "MiB"},  {"mib", "MiB"}, {"G", "GiB"},   {"g", "GiB"},  {"GB", "GiB"},
                                     {"Gb", "GiB"},  {"gb", "GiB"},  {"gib", "GiB"}, {"TB", "GiB"}, {"TiB", "GiB"},
                                     {"T", "GiB"},   {"tb", "GiB"}};

/// More than any physical address has bits (SDM 3A 4.1.4), so that sums of a few cannot wrap.
constexpr u64 address_limit = u64{1} << 52;

struct Digits {
    u64 value = 0;
    bool fits = true; ///< into 64 bits
    std::string_view behind;
};

int digit_of(char c) {
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/// The digits that `text` begins with.
Digits take_digits(std::string_view text, u64 base) {
    Digits result{.behind = text};
    while (!result.behind.empty()) {
        const int digit = digit_of(result.behind.front());
        if (digit < 0 || static_cast<u64>(digit) >= base)
            break;
        result.fits = result.fits && result.value <= (std::numeric_limits<u64>::max() - static_cast<u64>(digit)) / base;
        result.value = result.value * base + static_cast<u64>(digit);
        result.behind.remove_prefix(1);
    }
    return result;
}

std::string_view without_blank(std::string_view text) {
    if (text.starts_with(' '))
        text.remove_prefix(1);
    return text;
}

/// "512 MiB": digits, at most one blank, a unit. `written` is all of the value, or the part of a range.
std::optional<u64> parse_size(const KeyRule& rule, std::string_view written, Position at, Diagnostics& diagnostics) {
    const Digits digits = take_digits(written, 10);
    const bool any = digits.behind.size() < written.size();
    const std::string_view name = without_blank(digits.behind);
    for (const Unit& unit : units) {
        if (!any || name != unit.name)
            continue;
        if (digits.fits && digits.value <= std::numeric_limits<u64>::max() / unit.bytes)
            return digits.value * unit.bytes;
        diagnostics.error(at, Quoted{written}, " is more than ", Size{rule.maximum}, ", the most there is for ",
                          Quoted{rule.name});
        return {};
    }
    for (const OtherUnit& other : other_units) {
        if (any && name == other.name) {
            diagnostics.error(at, "there is no unit ", Quoted{name}, " here; write ", other.instead,
                              " (units are KiB, MiB and GiB, 1024 times each other)");
            return {};
        }
    }
    diagnostics.error(at, Quoted{rule.name}, " is a whole number and KiB, MiB or GiB, such as \"512 MiB\", not ",
                      Quoted{written});
    return {};
}

/// What is a size of a guest, and reported if it is not.
bool check_size(const KeyRule& rule, u64 bytes, Position at, Diagnostics& diagnostics) {
    if (bytes < rule.minimum || bytes > rule.maximum) {
        diagnostics.error(at, Quoted{rule.name}, " must be ", Size{rule.minimum}, " to ", Size{rule.maximum}, ", not ",
                          Size{bytes});
        return false;
    }
    if (bytes % large_page_size != 0) {
        diagnostics.error(at, Quoted{rule.name}, " must be a multiple of 2 MiB; near ", Size{bytes}, " is ",
                          Size{align_up(bytes, large_page_size)});
        return false;
    }
    return true;
}

std::optional<u64> parse_percent(const KeyRule& rule, const toml::Scalar& value, Diagnostics& diagnostics) {
    const Digits digits = take_digits(value.string, 10);
    const bool right = digits.behind.size() < value.string.size() && without_blank(digits.behind) == "%";
    if (right && digits.fits && digits.value >= 1 && digits.value <= 100)
        return digits.value;
    diagnostics.error(value.at, "as a share ", Quoted{rule.name}, " is a whole number from 1 to 100 and %, not ",
                      Quoted{value.string});
    return {};
}

/// "0x100000000", or "4 GiB".
std::optional<u64> parse_address(const KeyRule& rule, std::string_view written, Position at, Diagnostics& diagnostics) {
    if (!written.starts_with("0x"))
        return parse_size(rule, written, at, diagnostics);
    const Digits digits = take_digits(written.substr(2), 16);
    if (written.size() > 2 && digits.fits && digits.behind.empty())
        return digits.value;
    diagnostics.error(at, Quoted{written},
                      " is no address: it is 0x and hexadecimal digits, or a size such as \"4 GiB\"");
    return {};
}

std::optional<PhysicalRange> parse_range(const KeyRule& rule, const toml::Scalar& value, Diagnostics& diagnostics) {
    constexpr std::string_view at_word = " at ";
    const std::size_t middle = value.string.find(at_word);
    if (value.kind != toml::ValueKind::String || middle == std::string_view::npos) {
        diagnostics.error(value.at, "a range of memory is a size and an address, such as \"1 GiB at 0x100000000\"");
        return {};
    }
    const auto size = parse_size(rule, value.string.substr(0, middle), value.at, diagnostics);
    const auto start = parse_address(rule, value.string.substr(middle + at_word.size()), value.at, diagnostics);
    if (!size || !start || !check_size(rule, *size, value.at, diagnostics))
        return {};
    if (*start % large_page_size == 0 && *start != 0 && *start < address_limit)
        return PhysicalRange{{*start}, *size};
    diagnostics.error(value.at, "a range of memory begins at a multiple of 2 MiB, from 2 MiB to ",
                      Hex{address_limit - large_page_size}, "; ", Hex{*start}, " is none");
    return {};
}

std::optional<MemoryRequest> read_ranges(const KeyRule& rule, const toml::Value& value,
                                         std::span<Located<PhysicalRange>> storage, Diagnostics& diagnostics) {
    MemoryRequest request;
    bool right = true;
    for (std::size_t i = 0; i < value.elements.size(); ++i) {
        const auto range = parse_range(rule, value.elements[i], diagnostics);
        right = right && range.has_value();
        if (!range)
            continue;
        storage[i] = {*range, value.elements[i].at};
        request.value += range->size;
    }
    if (value.elements.empty())
        diagnostics.error(value.at, Quoted{rule.name}, " is an empty list; a guest has at least ", Size{rule.minimum});
    if (!right || value.elements.empty() || !check_size(rule, request.value, value.at, diagnostics))
        return {};
    request.at = value.at;
    request.ranges = storage.first(value.elements.size());
    return request;
}

} // namespace

std::optional<MemoryRequest> read_memory(const KeyRule& rule, const toml::Value& value,
                                         std::span<Located<PhysicalRange>> storage, Diagnostics& diagnostics) {
    MemoryRequest request;
    request.at = value.at;
    if (value.kind == toml::ValueKind::Array)
        return read_ranges(rule, value, storage, diagnostics);
    if (value.kind == toml::ValueKind::String && value.string.ends_with('%')) {
        const auto percent = parse_percent(rule, value, diagnostics);
        if (!percent)
            return {};
        request.percent = *percent;
        return request;
    }
    std::optional<u64> bytes;
    if (value.kind == toml::ValueKind::String)
        bytes = parse_size(rule, value.string, value.at, diagnostics);
    else if (value.kind != toml::ValueKind::Integer)
        return refuse_type(rule, value, diagnostics);
    else if (value.integer < 0)
        bytes = read_number(rule, value, diagnostics); // refuses it
    else
        bytes = static_cast<u64>(value.integer);
    if (!bytes || !check_size(rule, *bytes, value.at, diagnostics))
        return {};
    request.value = *bytes;
    return request;
}

} // namespace bulkhead
