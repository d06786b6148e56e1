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

template <class Show>
std::optional<u64> in_range(const KeyRule& rule, const toml::Scalar& value, Show show, Diagnostics& diagnostics) {
    const u64 number = static_cast<u64>(value.integer);
    if (value.integer >= 0 && number >= rule.minimum && number <= rule.maximum)
        return number;
    diagnostics.error(value.at, Quoted{rule.name}, " must be ", show(rule.minimum), " to ", show(rule.maximum),
                      ", not ", value.integer < 0 ? "-" : "", show(value.integer < 0 ? 0 - number : number));
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

std::string_view digest_fault(std::string_view text) {
    const auto digit = [](char c) {
        return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
    };
    if (text.size() != 64 || !std::ranges::all_of(text, digit))
        return "a SHA-256 has 64 hexadecimal digits, as sha256sum prints them";
    return {};
}

/// Empty where the text is right for its type.
std::string_view fault_of(ValueType type, std::string_view text) {
    return type == ValueType::Name     ? name_fault(text)
           : type == ValueType::Path   ? path_fault(text)
           : type == ValueType::Digest ? digest_fault(text)
                                       : text_fault(text);
}

} // namespace

std::nullopt_t refuse_type(const KeyRule& rule, const toml::Scalar& value, Diagnostics& diagnostics) {
    diagnostics.error(value.at, Quoted{rule.name}, " is ", describe(rule.type), ", not ", name_of(value.kind));
    return std::nullopt;
}

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
    if (text.size() > rule.maximum && rule.type != ValueType::Digest) {
        diagnostics.error(value.at, Quoted{rule.name}, " has ", text.size(), " bytes; at most ", rule.maximum,
                          " are possible");
        return {};
    }
    const std::string_view fault = fault_of(rule.type, text);
    if (fault.empty())
        return text;
    diagnostics.error(value.at, Quoted{rule.name}, " cannot be ", Quoted{text}, ": ", fault);
    return {};
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

std::optional<std::span<const Located<std::string_view>>> read_digests(const KeyRule& rule, const toml::Value& value,
                                                                       std::span<Located<std::string_view>> storage,
                                                                       Diagnostics& diagnostics) {
    const KeyRule one{.name = rule.name, .type = ValueType::Digest, .standard = {}, .help = {}};
    if (value.kind != toml::ValueKind::Array)
        return refuse_type(rule, value, diagnostics);
    bool right = true;
    for (std::size_t i = 0; i < value.elements.size(); ++i) {
        const auto digest = read_text(one, value.elements[i], diagnostics);
        right = right && digest.has_value();
        if (digest)
            storage[i] = {*digest, value.elements[i].at};
    }
    if (!right)
        return {};
    return storage.first(value.elements.size());
}

} // namespace bulkhead
