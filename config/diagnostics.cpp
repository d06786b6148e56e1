// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "config/diagnostics.hpp"

#include <algorithm>

#include "config/utf8.hpp"

namespace bulkhead {

void Diagnostics::keep(Position at, std::string_view message) {
    if (count_ == list_.size() || message.empty()) {
        ++lost_;
        return;
    }
    used_ += message.size();
    // Sorted by insertion: there are few, and two at the same place stay in the order in which they were found.
    std::size_t place = count_++;
    for (; place > 0 && at < list_[place - 1].at; --place)
        list_[place] = list_[place - 1];
    list_[place] = {at, message};
}

void write_diagnostic(Text& out, std::string_view file, const Diagnostic& diagnostic) {
    out << file << ':';
    if (diagnostic.at.line != 0)
        out << diagnostic.at.line << ':' << diagnostic.at.column << ':';
    out << " error: " << diagnostic.message;
}

Text& operator<<(Text& text, Quoted quoted) {
    constexpr std::size_t longest = 60;
    std::string_view rest = quoted.text;
    text << '\'';
    while (!rest.empty() && quoted.text.size() - rest.size() < longest) {
        const Character next = decode_utf8(rest);
        if (!next.valid)
            text << "\\x" << "0123456789abcdef"[next.code >> 4] << "0123456789abcdef"[next.code & 0xf];
        else if (next.code == '\t')
            text << "\\t";
        else if (is_control(next.code) || is_invisible(next.code))
            text << "\\u{" << Hex{next.code} << '}';
        else
            text << rest.substr(0, next.size);
        rest.remove_prefix(next.size);
    }
    return text << (rest.empty() ? "'" : "...'");
}

Text& operator<<(Text& text, Words words) {
    for (std::size_t i = 0; i < words.words.size(); ++i)
        text << (i == 0 ? "" : i + 1 == words.words.size() ? " or " : ", ") << '"' << words.words[i] << '"';
    return text;
}

} // namespace bulkhead
