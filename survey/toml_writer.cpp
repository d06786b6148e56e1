// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "survey/toml_writer.hpp"

#include "base/text.hpp"

namespace bulkhead::survey {

void TomlWriter::put(std::string_view text) {
    if (cut_ || text.size() > room_.size() - size_) {
        cut_ = true;
        return;
    }
    for (const char c : text)
        room_[size_++] = c;
}

/// TOML 1.0, "Basic strings". What is not printable ASCII is escaped as the code point of that number.
void TomlWriter::put_quoted(std::string_view text) {
    put("\"");
    for (const char c : text) {
        if (c == '"' || c == '\\')
            put("\\");
        if (c >= ' ' && c <= '~') {
            put({&c, 1});
            continue;
        }
        constexpr std::string_view digits = "0123456789abcdef";
        const auto byte = static_cast<u8>(c);
        const char escape[] = {'\\', 'u', '0', '0', digits[byte >> 4], digits[byte & 15]};
        put({escape, sizeof escape});
    }
    put("\"");
}

void TomlWriter::put_number(u64 value, bool hexadecimal, unsigned digits) {
    Line<24> line;
    if (hexadecimal)
        line << Hex{value, digits};
    else
        line << value;
    if (value >> 63 != 0)
        put_quoted(line.view());
    else
        put(line.view());
}

void TomlWriter::comment(std::string_view text) {
    put("# ");
    for (const char c : text)
        put(std::string_view(c >= ' ' && c <= '~' ? &c : "?", 1));
    put("\n");
}

void TomlWriter::blank() { put("\n"); }

void TomlWriter::end_table() {
    if (cut_) {
        size_ = mark_;
        ++left_out_;
    }
    cut_ = false;
    mark_ = size_;
}

void TomlWriter::table(std::string_view name) {
    end_table();
    put("\n[");
    put(name);
    put("]\n");
}

void TomlWriter::item(std::string_view name) {
    end_table();
    put("\n[[");
    put(name);
    put("]]\n");
}

void TomlWriter::begin(std::string_view key) {
    put(key);
    put(" = ");
}

void TomlWriter::text(std::string_view key, std::string_view value) {
    begin(key);
    put_quoted(value);
    put("\n");
}

void TomlWriter::text_if(std::string_view key, std::string_view value) {
    if (!value.empty())
        text(key, value);
}

void TomlWriter::number(std::string_view key, u64 value) {
    begin(key);
    put_number(value, false, 0);
    put("\n");
}

void TomlWriter::hex(std::string_view key, u64 value, unsigned digits) {
    begin(key);
    put_number(value, true, digits);
    put("\n");
}

void TomlWriter::flag(std::string_view key, bool value) {
    begin(key);
    put(value ? "true\n" : "false\n");
}

void TomlWriter::begin_list(std::string_view key) {
    begin(key);
    put("[");
    first_ = true;
}

void TomlWriter::word(std::string_view value) {
    put(first_ ? "" : ", ");
    put_quoted(value);
    first_ = false;
}

void TomlWriter::number_in_list(u64 value, bool hexadecimal) {
    put(first_ ? "" : ", ");
    put_number(value, hexadecimal, 0);
    first_ = false;
}

void TomlWriter::end_list() { put("]\n"); }

std::string_view TomlWriter::finish() {
    end_table();
    room_ = whole_;
    if (left_out_ != 0) {
        table("left-out");
        number("tables", left_out_);
        size_ = cut_ ? mark_ : size_;
    }
    return {room_.data(), size_};
}

} // namespace bulkhead::survey
