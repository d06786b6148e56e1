// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "config/values.hpp"

#include <algorithm>
#include <limits>

#include "config/suggestion.hpp"
#include "config/utf8.hpp"

namespace bulkhead {
namespace {

std::string_view name_of(toml::ValueKind kind) {
    switch (kind) {
    case toml::ValueKind::Integer:
        return "a number";
    case toml::ValueKind::Boolean:
        return "a boolean";
    case toml::ValueKind::String:
        return "a text";
    case toml::ValueKind::Array:
        return "a list";
    case toml::ValueKind::Invalid:
        break;
    }
    return "nothing";
}

std::nullopt_t refuse_type(const KeyRule& rule, const toml::Scalar& value, Diagnostics& diagnostics) {
    diagnostics.error(value.at, Quoted{rule.name}, " is ", describe(rule.type), ", not ", name_of(value.kind));
    return std::nullopt;
}

template <class Show>
std::optional<u64> in_range(const KeyRule& rule, const toml::Scalar& value, Show show, Diagnostics& diagnostics) {
    const u64 number = static_cast<u64>(value.integer);
    if (value.integer >= 0 && number >= rule.minimum && number <= rule.maximum)
        return number;
    diagnostics.error(value.at, Quoted{rule.name}, " must be ", show(rule.minimum), " to ", show(rule.maximum),
                      ", not ", value.integer < 0 ? "-" : "", show(value.integer < 0 ? 0 - number : number));
    return {};
}

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

/// "512 MiB": digits, at most one blank, a unit.
std::optional<u64> parse_size(const KeyRule& rule, const toml::Scalar& value, Diagnostics& diagnostics) {
    std::string_view unit = value.string;
    constexpr u64 largest = std::numeric_limits<u64>::max();
    u64 number = 0;
    bool fits = true;
    while (!unit.empty() && unit.front() >= '0' && unit.front() <= '9') {
        const u64 digit = static_cast<u64>(unit.front() - '0');
        fits = fits && number <= (largest - digit) / 10;
        number = number * 10 + digit;
        unit.remove_prefix(1);
    }
    const bool digits = unit.size() < value.string.size();
    if (unit.starts_with(' '))
        unit.remove_prefix(1);
    for (const Unit& known : units) {
        if (!digits || unit != known.name)
            continue;
        if (fits && number <= largest / known.bytes)
            return number * known.bytes;
        diagnostics.error(value.at, Quoted{value.string}, " is more than ", Size{rule.maximum},
                          ", the most there is for ", Quoted{rule.name});
        return {};
    }
    for (const OtherUnit& other : other_units) {
        if (digits && unit == other.name) {
            diagnostics.error(value.at, "there is no unit ", Quoted{unit}, " here; write ", other.instead,
                              " (units are KiB, MiB and GiB, 1024 times each other)");
            return {};
        }
    }
    diagnostics.error(value.at, Quoted{rule.name}, " is a whole number and KiB, MiB or GiB, such as \"512 MiB\", not ",
                      Quoted{value.string});
    return {};
}

std::string_view name_fault(std::string_view name) {
    const auto small = [](char c) { return c >= 'a' && c <= 'z'; };
    const auto allowed = [&](char c) { return small(c) || (c >= '0' && c <= '9') || c == '_' || c == '-'; };
    if (!small(name.front()))
        return "it must begin with a small letter";
    if (!std::ranges::all_of(name, allowed))
        return "only small letters, digits, '_' and '-' can stand in it";
    return {};
}

std::string_view text_fault(std::string_view text) {
    // What a kernel cannot be told: its command line is one line, with a zero behind it.
    if (std::ranges::any_of(text, [](char c) { return is_control(static_cast<u8>(c)) || c == '\t'; }))
        return "control characters cannot stand in it";
    return {};
}

std::string_view part_fault(std::string_view part) {
    if (part.empty())
        return "a part of it is empty";
    if (part == "." || part == "..")
        return "it cannot contain '.' or '..'";
    if (part.ends_with('.') || part.ends_with(' '))
        return "a name on a FAT volume does not end with a dot or blank";
    return {};
}

} // namespace

std::string_view path_fault(std::string_view path) {
    const auto separator = [](char c) { return c == '/' || c == '\\'; };
    if (separator(path.front()))
        return "it must be relative to the configuration's folder";
    if (path.size() >= 2 && path[1] == ':')
        return "it must be relative to the configuration's folder, without a drive";
    for (char c : path) {
        if (static_cast<u8>(c) >= 0x7f || static_cast<u8>(c) < 0x20)
            return "only ASCII characters can stand in it";
        if (std::string_view("\"*:<>?|").contains(c))
            return "the characters \" * : < > ? | cannot stand in a name on a FAT volume";
    }
    while (true) {
        const auto end = std::ranges::find_if(path, separator);
        const std::string_view part(path.begin(), end);
        if (const std::string_view fault = part_fault(part); !fault.empty())
            return fault;
        if (end == path.end())
            return {};
        path.remove_prefix(part.size() + 1);
    }
}

std::optional<u64> read_number(const KeyRule& rule, const toml::Scalar& value, Diagnostics& diagnostics) {
    if (value.kind != toml::ValueKind::Integer)
        return refuse_type(rule, value, diagnostics);
    if (rule.type == ValueType::Port)
        return in_range(rule, value, [](u64 number) { return Hex{number}; }, diagnostics);
    return in_range(rule, value, [](u64 number) { return number; }, diagnostics);
}

std::optional<u64> read_word(const KeyRule& rule, const toml::Scalar& value, Diagnostics& diagnostics) {
    const bool text = value.kind == toml::ValueKind::String;
    const auto found = std::ranges::find(rule.words, value.string);
    if (text && found != rule.words.end())
        return static_cast<u64>(found - rule.words.begin());
    if (!text)
        diagnostics.error(value.at, Quoted{rule.name}, " is ", Words{rule.words}, ", not ", name_of(value.kind));
    else if (const std::string_view meant = suggest(value.string, rule.words); !meant.empty())
        diagnostics.error(value.at, Quoted{rule.name}, " is ", Words{rule.words}, ", not ", Quoted{value.string},
                          "; did you mean ", Quoted{meant}, "?");
    else
        diagnostics.error(value.at, Quoted{rule.name}, " is ", Words{rule.words}, ", not ", Quoted{value.string});
    return {};
}

std::optional<bool> read_flag(const KeyRule& rule, const toml::Scalar& value, Diagnostics& diagnostics) {
    if (value.kind != toml::ValueKind::Boolean)
        return refuse_type(rule, value, diagnostics);
    return value.integer != 0;
}

std::optional<std::string_view> read_text(const KeyRule& rule, const toml::Scalar& value, Diagnostics& diagnostics) {
    const std::string_view text = value.string;
    if (value.kind != toml::ValueKind::String)
        return refuse_type(rule, value, diagnostics);
    if (text.size() < rule.minimum) {
        diagnostics.error(value.at, Quoted{rule.name}, " is empty");
        return {};
    }
    if (text.size() > rule.maximum) {
        diagnostics.error(value.at, Quoted{rule.name}, " has ", text.size(), " bytes; at most ", rule.maximum,
                          " are possible");
        return {};
    }
    const std::string_view fault = rule.type == ValueType::Name   ? name_fault(text)
                                   : rule.type == ValueType::Path ? path_fault(text)
                                                                  : text_fault(text);
    if (fault.empty())
        return text;
    diagnostics.error(value.at, Quoted{rule.name}, " cannot be ", Quoted{text}, ": ", fault);
    return {};
}

std::optional<u64> read_memory(const KeyRule& rule, const toml::Scalar& value, Diagnostics& diagnostics) {
    std::optional<u64> bytes;
    if (value.kind == toml::ValueKind::String)
        bytes = parse_size(rule, value, diagnostics);
    else if (value.kind != toml::ValueKind::Integer)
        return refuse_type(rule, value, diagnostics);
    else if (value.integer < 0)
        return in_range(rule, value, [](u64 number) { return number; }, diagnostics);
    else
        bytes = static_cast<u64>(value.integer);
    if (!bytes)
        return {};
    if (*bytes < rule.minimum || *bytes > rule.maximum) {
        diagnostics.error(value.at, Quoted{rule.name}, " must be ", Size{rule.minimum}, " to ", Size{rule.maximum},
                          ", not ", Size{*bytes});
        return {};
    }
    if (*bytes % large_page_size != 0) {
        diagnostics.error(value.at, Quoted{rule.name}, " must be a multiple of 2 MiB; near ", Size{*bytes}, " is ",
                          Size{align_up(*bytes, large_page_size)});
        return {};
    }
    return bytes;
}

std::optional<CpuRequest> read_cpus(const KeyRule& rule, const toml::Value& value, std::span<Located<u64>> storage,
                                    Diagnostics& diagnostics) {
    if (value.kind == toml::ValueKind::Integer) {
        const auto count = in_range(rule, value, [](u64 number) { return number; }, diagnostics);
        if (!count)
            return {};
        return CpuRequest{.count = *count, .list = {}, .at = value.at};
    }
    if (value.kind != toml::ValueKind::Array)
        return refuse_type(rule, value, diagnostics);
    if (value.elements.empty()) {
        diagnostics.error(value.at, Quoted{rule.name}, " is an empty list; a guest has at least one CPU");
        return {};
    }
    bool right = true;
    for (std::size_t i = 0; i < value.elements.size(); ++i) {
        const toml::Scalar& element = value.elements[i];
        const bool number = element.kind == toml::ValueKind::Integer;
        storage[i] = {static_cast<u64>(element.integer), element.at};
        if (number && element.integer >= 0 && storage[i].value < rule.maximum)
            continue;
        diagnostics.error(element.at, "a CPU's number is a whole number from 0 to ", rule.maximum - 1);
        right = false;
    }
    if (!right)
        return {};
    return CpuRequest{.count = value.elements.size(), .list = storage.first(value.elements.size()), .at = value.at};
}

std::optional<std::span<const ModuleConfig>> read_modules(const KeyRule& rule, const toml::Value& value,
                                                          std::span<ModuleConfig> storage, Diagnostics& diagnostics) {
    constexpr KeyRule path{
        .name = "modules", .type = ValueType::Path, .minimum = 1, .maximum = 255, .standard = {}, .help = {}};
    constexpr KeyRule words{.name = "modules", .type = ValueType::Text, .maximum = 255, .standard = {}, .help = {}};
    if (value.kind != toml::ValueKind::Array)
        return refuse_type(rule, value, diagnostics);
    if (value.elements.size() > std::min<u64>(rule.maximum, storage.size())) {
        diagnostics.error(value.at, Quoted{rule.name}, " has ", value.elements.size(), " files; at most ",
                          std::min<u64>(rule.maximum, storage.size()), " are possible");
        return {};
    }
    bool right = true;
    for (std::size_t i = 0; i < value.elements.size(); ++i) {
        const toml::Scalar& element = value.elements[i];
        if (element.kind != toml::ValueKind::String)
            return refuse_type(rule, element, diagnostics);
        const auto text = read_text(words, element, diagnostics);
        toml::Scalar name = element;
        name.string = element.string.substr(0, element.string.find(' '));
        const auto file = text ? read_text(path, name, diagnostics) : std::nullopt;
        right &= file.has_value();
        if (file)
            storage[i] = {.file = {*file, element.at}, .text = *text};
    }
    if (!right)
        return {};
    return storage.first(value.elements.size());
}

} // namespace bulkhead
