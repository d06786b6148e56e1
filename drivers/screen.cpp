// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "drivers/screen.hpp"

#include <algorithm>
#include <bit>

#include "font.hpp"

namespace bulkhead::drivers {

namespace {

// Spleen 8x16 as a PC screen font, version 1: four bytes, then the letters, ASCII at its own numbers.
constexpr u32 font_header = 4;
static_assert(console_font[0] == 0x36 && console_font[1] == 0x04 && console_font[3] == Screen::letter_height);

constexpr char first_letter = ' ', last_letter = '~';
constexpr u32 letter_bytes = (last_letter - first_letter + 1) * Screen::letter_height;
constexpr auto letters = [] {
    std::array<u8, letter_bytes> bytes{};
    std::ranges::copy_n(console_font.begin() + font_header + first_letter * Screen::letter_height, letter_bytes,
                        bytes.begin());
    return bytes;
}();

const u8* shape(char c) {
    return &letters[static_cast<u32>((c < first_letter || c > last_letter ? '?' : c) - first_letter) *
                    Screen::letter_height];
}

} // namespace

Screen::Screen(const ScreenLayout& layout, u64 pixels) : layout_(layout) {
    move(pixels);
    cells_.fill(' ');
}

void Screen::put(char c) {
    if (!is_open() || skip(c))
        return;
    if (c == '\n') {
        end_line();
    } else if (c == '\r') {
        column_ = 0;
    } else if (c == '\b') {
        column_ -= column_ == 0 ? 0 : 1;
    } else if (c == '\t') {
        column_ = std::min((column_ | 7) + 1, layout_.columns);
    } else if (c < 0 || c >= first_letter) {
        if (column_ >= layout_.columns)
            end_line();
        change(row_ * layout_.columns + column_++, c);
    }
}

bool Screen::skip(char c) {
    if (c >= 0 && c < first_letter) {
        escape_ = c == '\x1b' ? Escape::Begun : Escape::None;
        return false;
    }
    if (escape_ == Escape::None)
        return false;
    if (escape_ == Escape::Begun && std::string_view("[]PX^_").contains(c))
        escape_ = c == '[' ? Escape::Sequence : Escape::String;                        // ECMA-48 5.4, 5.6
    else if (escape_ != Escape::String && c >= (escape_ == Escape::Begun ? '0' : '@')) // a final byte
        escape_ = Escape::None;
    return true;
}

/// At the end of the screen the text moves up by a quarter of it: each letter that changes is drawn anew, so the fewer
/// times the better.
void Screen::end_line() {
    column_ = 0;
    if (++row_ < layout_.rows)
        return;
    const u32 jump = std::max(1u, layout_.rows / 4);
    row_ -= jump;
    for (u32 cell = 0; cell < layout_.rows * layout_.columns; ++cell) {
        const char c = cell < row_ * layout_.columns ? cells_[cell + jump * layout_.columns] : ' ';
        if (c != cells_[cell])
            change(cell, c);
    }
}

void Screen::show_status(std::string_view text) {
    const u32 room = status_rows * layout_.columns;
    for (u32 i = 0; is_open() && i < room; ++i) {
        const u32 cell = layout_.rows * layout_.columns + i;
        const char c = i >= text.size() ? ' ' : text.size() > room && i + 3 >= room ? '.' : text[i];
        if (c != cells_[cell])
            change(cell, c);
    }
}

/// Only pixels that are another colour now: a write to a framebuffer is slow, and most of a letter is paper.
void Screen::change(u32 cell, char c) {
    if (cell >= (layout_.rows + status_rows) * layout_.columns) // another CPU draws, too: in an emergency
        return;
    const u8 *was = shape(cells_[cell]), *is = shape(c);
    cells_[cell] = c;
    const u32 row = cell / layout_.columns, column = cell % layout_.columns, scale = layout_.scale;
    const u32 ink = row < layout_.rows ? light : dark, paper = row < layout_.rows ? dark : light;
    volatile u32* corner = pixels_ + u64{row} * letter_height * scale * layout_.stride + column * letter_width * scale;
    for (u32 y = 0; y < letter_height; ++y, corner += u64{scale} * layout_.stride)
        for (u32 changed = was[y] ^ is[y]; changed != 0; changed &= changed - 1) {
            const u32 bit = static_cast<u32>(std::countr_zero(changed)), x = (letter_width - 1 - bit) * scale;
            for (u32 i = 0; i < scale * scale; ++i)
                corner[u64{i / scale} * layout_.stride + x + i % scale] = (is[y] >> bit & 1) != 0 ? ink : paper;
        }
}

} // namespace bulkhead::drivers
