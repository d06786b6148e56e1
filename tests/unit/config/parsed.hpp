// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// Parses a text for a test and keeps what the result lives in.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "config/diagnostics.hpp"
#include "config/toml.hpp"

namespace bulkhead::test {

struct Faults {
    std::vector<Diagnostic> list = std::vector<Diagnostic>(256);
    std::vector<char> text = std::vector<char>(32 * KiB);
    Diagnostics diagnostics{list, text};

    /// All of them, each with a newline, as a person sees them.
    [[nodiscard]] std::string printed() const { return print(diagnostics); }

    [[nodiscard]] static std::string print(const Diagnostics& diagnostics) {
        std::string result;
        for (const Diagnostic& diagnostic : diagnostics.all()) {
            Line<1000> line;
            write_diagnostic(line, "f", diagnostic);
            result.append(line.view()).append("\n");
        }
        return result;
    }
};

struct Parsed : Faults {
    explicit Parsed(std::string_view source) : text(source), strings(source.size()) {
        entries = toml::parse(text, {entry_storage, elements, strings}, diagnostics);
    }

    std::string text;
    std::vector<char> strings;
    std::vector<toml::Entry> entry_storage = std::vector<toml::Entry>(1024);
    std::vector<toml::Scalar> elements = std::vector<toml::Scalar>(1024);
    std::span<const toml::Entry> entries;
};

} // namespace bulkhead::test
