// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// The text of a configuration to a flat list of entries: a strict subset of TOML 1.0 (toml.io/en/v1.0.0). Left out are
// floats, dates, inline tables, multi-line strings, quoted and dotted keys, and arrays in arrays; each is refused by
// name. What is accepted means the same to every TOML parser.
#pragma once

#include <span>
#include <string_view>

#include "config/diagnostics.hpp"
#include "config/position.hpp"

namespace bulkhead::toml {

enum class ValueKind : u8 { Invalid, Integer, Boolean, String, Array };

/// An integer, boolean or string.
struct Scalar {
    ValueKind kind{}; ///< Invalid: refused, and reported
    Position at;
    i64 integer = 0; ///< of a boolean: 0 or 1
    std::string_view string;
};

struct Value : Scalar {
    std::span<const Scalar> elements; ///< of an array
};

enum class EntryKind : u8 {
    Table,        ///< [name]
    TableArray,   ///< [[name]]
    BrokenHeader, ///< a header without a readable name: the keys that follow belong to nothing
    Key,          ///< name = value
};

struct Entry {
    EntryKind kind{};
    Position at; ///< of the name
    std::string_view name{};
    Value value{}; ///< of a Key
};

/// What the entries live in. Strings are at most as long as the file, so `text` is as large as the largest file.
struct Storage {
    std::span<Entry> entries;
    std::span<Scalar> elements;
    std::span<char> text;
};

/// Parses a whole file; after an error it goes on with the next line. The entries are valid as long as `text` and
/// `storage`. Keys and tables given twice are reported here, as TOML forbids them.
[[nodiscard]] std::span<const Entry> parse(std::string_view text, const Storage& storage, Diagnostics& diagnostics);

} // namespace bulkhead::toml
