// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#pragma once

#include <span>
#include <string_view>

#include "base/text.hpp"
#include "config/position.hpp"

namespace bulkhead {

/// One fault of a configuration: where, and a sentence that says what is wrong and what would be right.
struct Diagnostic {
    Position at;
    std::string_view message;
};

/// The faults of a configuration, in the order of their position. List and text are storage of the caller; what does
/// not fit is counted.
class Diagnostics {
public:
    constexpr Diagnostics(std::span<Diagnostic> list, std::span<char> text) : list_(list), text_(text) {}

    /// `parts` is what Text can write, one after the other.
    template <class... Parts> void error(Position at, const Parts&... parts) {
        Text text(text_.subspan(used_));
        (text << ... << parts);
        keep(at, text.view());
    }

    [[nodiscard]] std::span<const Diagnostic> all() const { return list_.first(count_); }
    /// Errors for which there was no room.
    [[nodiscard]] u32 lost() const { return lost_; }
    [[nodiscard]] bool empty() const { return count_ == 0 && lost_ == 0; }
    void clear() { count_ = used_ = lost_ = 0; }

private:
    void keep(Position at, std::string_view message);

    std::span<Diagnostic> list_;
    std::span<char> text_;
    std::size_t count_ = 0;
    std::size_t used_ = 0;
    u32 lost_ = 0;
};

/// Writes `file:12:9: error: message`, or `file: error: message` where there is no position. No newline.
void write_diagnostic(Text& out, std::string_view file, const Diagnostic& diagnostic);

/// Text out of the file, for a message: in single quotes, control characters as escapes, cut where it is long.
struct Quoted {
    std::string_view text;
};

Text& operator<<(Text& text, Quoted quoted);

/// Words to choose from, as they are written in the file: "stop" or "restart".
struct Words {
    std::span<const std::string_view> words;
};

Text& operator<<(Text& text, Words words);

} // namespace bulkhead
