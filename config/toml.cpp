// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "config/toml.hpp"

#include "config/toml_cursor.hpp"
#include "config/toml_scalar.hpp"

namespace bulkhead::toml {
namespace {

/// One pass over a file. After an error it goes on where the next key or header can be.
class Parser {
public:
    Parser(std::string_view text, const Storage& storage, Diagnostics& diagnostics)
        : cursor_(text), storage_(storage), arena_(storage.text), diagnostics_(diagnostics) {}

    std::span<const Entry> run();

private:
    void parse_line();
    void parse_header();
    void parse_key();
    bool parse_value(Value& value);
    bool parse_array(Value& value);
    bool parse_element();
    bool parse_line_end();
    bool refuse_name();
    bool end_line_in_array(Position open, bool intact);
    bool parse_array_item(bool& expect_value);
    bool at_next_statement() const;
    void add(const Entry& entry);
    void check_header(const Entry& entry);
    void check_key(Entry& entry);

    template <class... Parts> bool refuse(const Parts&... parts) {
        diagnostics_.error(cursor_.position(), parts...);
        return false;
    }
    std::span<const Entry> entries() const { return storage_.entries.first(entry_count_); }

    Cursor cursor_;
    Storage storage_;
    Text arena_;
    Diagnostics& diagnostics_;
    std::size_t entry_count_ = 0;
    std::size_t element_count_ = 0;
    std::size_t table_ = 0; ///< number of the current table's first key
    bool full_ = false;
    bool in_next_line_ = false; ///< the array that was being read has no end: its key's line is over
};

std::span<const Entry> Parser::run() {
    if (cursor_.at("\xff\xfe") || cursor_.at("\xfe\xff")) {
        refuse("this file is in UTF-16; save it as UTF-8");
        return {};
    }
    if (const std::size_t size = cursor_.rest().size(); size > storage_.text.size()) {
        while (size - cursor_.rest().size() < storage_.text.size())
            cursor_.advance();
        refuse("the file has ", Size{size}, "; a configuration has at most ", Size{storage_.text.size()},
               ", and ends here");
        return {};
    }
    while (!cursor_.at_end() && !full_) {
        in_next_line_ = false;
        parse_line();
        if (in_next_line_)
            continue;
        cursor_.skip_to_line_end();
        if (!cursor_.at_end())
            cursor_.advance();
    }
    return entries();
}

void Parser::parse_line() {
    cursor_.skip_blanks();
    if (cursor_.at("["))
        return parse_header();
    if (!cursor_.at_end() && is_bare(cursor_.rest().front()))
        return parse_key();
    if (refuse_name())
        return;
    if (cursor_.at("="))
        refuse("there is no name before '='");
    else
        (void)parse_line_end();
}

/// Blanks and a comment; a newline or the end of the file must follow.
bool Parser::parse_line_end() {
    cursor_.skip_blanks();
    if (cursor_.accept("#"))
        while (!cursor_.at_end() && !cursor_.at_newline() && is_text(cursor_.peek()))
            cursor_.advance();
    if (cursor_.at_end() || cursor_.at_newline())
        return true;
    if (!is_text(cursor_.peek()))
        return refuse(Found{cursor_}, " cannot stand in a configuration");
    return refuse("expected the end of the line, found ", Found{cursor_});
}

/// True when it reported that a name is one that TOML allows and we do not.
bool Parser::refuse_name() {
    if (cursor_.at("\"") || cursor_.at("'"))
        return !refuse("names in quotes are not supported; a name has the characters A-Z a-z 0-9 _ -");
    return cursor_.at(".") && !refuse("names with dots are not supported");
}

void Parser::parse_header() {
    cursor_.accept("[");
    const bool array = cursor_.accept("[");
    const std::string_view close = array ? "]]" : "]";
    cursor_.skip_blanks();
    Entry entry{.at = cursor_.position(), .name = cursor_.take_while(is_bare)};
    cursor_.skip_blanks();
    const bool refused = refuse_name();
    if (refused || entry.name.empty()) {
        if (!refused)
            refuse("expected the name of a table, found ", Found{cursor_});
        return add({.kind = EntryKind::BrokenHeader, .at = entry.at});
    }
    entry.kind = array ? EntryKind::TableArray : EntryKind::Table;
    if (!cursor_.accept(close))
        refuse("expected '", close, "', found ", Found{cursor_});
    else
        (void)parse_line_end();
    check_header(entry);
    add(entry);
}

void Parser::parse_key() {
    Entry entry{.kind = EntryKind::Key, .at = cursor_.position(), .name = cursor_.take_while(is_bare)};
    cursor_.skip_blanks();
    if (refuse_name())
        return;
    if (!cursor_.accept("=")) {
        refuse("expected '=' after ", Quoted{entry.name}, ", found ", Found{cursor_});
        return;
    }
    cursor_.skip_blanks();
    entry.value.at = cursor_.position();
    if (!parse_value(entry.value) || !parse_line_end())
        entry.value.kind = ValueKind::Invalid;
    check_key(entry);
    add(entry);
}

bool Parser::parse_value(Value& value) {
    if (cursor_.at("["))
        return parse_array(value);
    return parse_scalar(cursor_, value, arena_, diagnostics_);
}

/// In an array: whether the line that starts here can only be a key or a header, as the array was never closed.
bool Parser::at_next_statement() const {
    Cursor ahead = cursor_;
    ahead.skip_blanks();
    if (ahead.accept("[")) {
        ahead.accept("[");
        const std::string_view name = ahead.take_while(is_bare);
        return !name.empty() && !is_digit(name.front()) && ahead.at("]");
    }
    const bool name = !ahead.take_while(is_bare).empty();
    ahead.skip_blanks();
    return name && ahead.at("=");
}

bool Parser::parse_element() {
    if (cursor_.at("["))
        return refuse("arrays in arrays are not supported");
    if (element_count_ == storage_.elements.size())
        return refuse("there are too many values in arrays; a configuration has at most ", storage_.elements.size());
    Scalar& element = storage_.elements[element_count_];
    element = {};
    if (!parse_scalar(cursor_, element, arena_, diagnostics_))
        return false;
    ++element_count_;
    return true;
}

bool Parser::parse_array_item(bool& expect_value) {
    if (!expect_value) {
        if (!cursor_.accept(","))
            return refuse("expected ',' or ']', found ", Found{cursor_});
        expect_value = true;
        return true;
    }
    expect_value = false;
    return parse_element();
}

/// Goes to the next line of the array that began at `open`. False when the array does not go on there.
bool Parser::end_line_in_array(Position open, bool intact) {
    cursor_.skip_to_line_end();
    if (!cursor_.at_end())
        cursor_.advance();
    if (!cursor_.at_end() && !at_next_statement())
        return true;
    if (intact)
        diagnostics_.error(open, "this array has no closing ']'");
    in_next_line_ = true;
    return false;
}

bool Parser::parse_array(Value& value) {
    const Position open = cursor_.position();
    const std::size_t first = element_count_;
    bool intact = true;
    bool expect_value = true;
    cursor_.accept("[");
    while (true) {
        cursor_.skip_blanks();
        if (cursor_.accept("]"))
            break;
        const bool line_over = cursor_.at_end() || cursor_.at_newline() || cursor_.at("#");
        if (!(line_over ? parse_line_end() : parse_array_item(expect_value))) {
            // After an error the array ends with its line if that has a bracket, else it goes on in the next one.
            intact = false;
            expect_value = true;
            const std::string_view line = cursor_.rest().substr(0, cursor_.rest().find('\n'));
            if (line.contains(']'))
                return false;
            if (!end_line_in_array(open, intact))
                return false;
        } else if (line_over && !end_line_in_array(open, intact)) {
            return false;
        }
    }
    value.kind = ValueKind::Array;
    value.elements = storage_.elements.subspan(first, element_count_ - first);
    return intact;
}

void Parser::add(const Entry& entry) {
    if (entry_count_ == storage_.entries.size()) {
        diagnostics_.error(entry.at, "the file is too long: a configuration has at most ", storage_.entries.size(),
                           " keys and tables");
        full_ = true;
        return;
    }
    storage_.entries[entry_count_++] = entry;
    if (entry.kind != EntryKind::Key)
        table_ = entry_count_;
}

/// TOML 1.0, "Table" and "Array of Tables": a name is one table, one array of tables, or one value of the root.
void Parser::check_header(const Entry& entry) {
    bool in_root = true;
    for (const Entry& earlier : entries()) {
        in_root = in_root && earlier.kind == EntryKind::Key;
        const bool clash = earlier.kind == EntryKind::Key
                               ? in_root
                               : entry.kind == EntryKind::Table || earlier.kind == EntryKind::Table;
        if (earlier.name == entry.name && clash) {
            diagnostics_.error(entry.at, "there already is a ", in_root ? "key " : "table ", Quoted{entry.name},
                               ", in line ", earlier.at.line);
            return;
        }
    }
}

/// TOML 1.0, "Key/Value Pair": a key is given once. The first one counts.
void Parser::check_key(Entry& entry) {
    for (const Entry& earlier : entries().subspan(table_)) {
        if (earlier.name == entry.name) {
            diagnostics_.error(entry.at, Quoted{entry.name}, " is given twice; the first one is in line ",
                               earlier.at.line);
            entry.value.kind = ValueKind::Invalid;
            return;
        }
    }
}

} // namespace

std::span<const Entry> parse(std::string_view text, const Storage& storage, Diagnostics& diagnostics) {
    if (text.starts_with("\xef\xbb\xbf")) // some editors put a byte order mark before UTF-8
        text.remove_prefix(3);
    return Parser(text, storage, diagnostics).run();
}

} // namespace bulkhead::toml
