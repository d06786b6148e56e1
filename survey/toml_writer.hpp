// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// Writes TOML 1.0 into a fixed room. A table that does not fit is left out as a whole and counted, so what is written
// always parses.
#pragma once

#include <span>
#include <string_view>

#include "base/types.hpp"

namespace bulkhead::survey {

class TomlWriter {
public:
    explicit TomlWriter(std::span<char> room)
        : room_(room.first(room.size() > reserve ? room.size() - reserve : 0)), whole_(room) {}

    /// A line "# text". Belongs to the table that it is in.
    void comment(std::string_view text);
    void blank();
    /// "[name]" and "[[name]]": ends the table before.
    void table(std::string_view name);
    void item(std::string_view name);

    void text(std::string_view key, std::string_view value);
    /// As `text`, unless it is empty.
    void text_if(std::string_view key, std::string_view value);
    void number(std::string_view key, u64 value);
    /// In hexadecimal with `digits` digits at least. Above 2^63 - 1, which TOML does not have, as a text.
    void hex(std::string_view key, u64 value, unsigned digits = 0);
    void flag(std::string_view key, bool value);

    void begin_list(std::string_view key);
    void word(std::string_view value);
    void number_in_list(u64 value, bool hexadecimal);
    void end_list();

    /// Ends the last table; where tables were left out, [left-out] says how many. Returns what was written.
    [[nodiscard]] std::string_view finish();
    [[nodiscard]] u64 left_out() const { return left_out_; }

private:
    static constexpr std::size_t reserve = 96; ///< for [left-out]

    void put(std::string_view text);
    void put_quoted(std::string_view text);
    void put_number(u64 value, bool hexadecimal, unsigned digits);
    void begin(std::string_view key);
    void end_table();

    std::span<char> room_;
    std::span<char> whole_;
    std::size_t size_ = 0;
    std::size_t mark_ = 0; ///< where the table begins
    bool cut_ = false;     ///< it does not fit
    bool first_ = true;    ///< of a list
    u64 left_out_ = 0;
};

} // namespace bulkhead::survey
