// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#pragma once

#include <array>
#include <string_view>

#include "base/types.hpp"

namespace bulkhead::drivers {

/// How text is laid out on a framebuffer whose pixels have 32 bits.
struct ScreenLayout {
    u32 stride = 0;  ///< pixels from one row of them to the next
    u32 scale = 1;   ///< each pixel of a letter is a square of so many
    u32 columns = 0; ///< letters in a line; not 0
    u32 rows = 0;    ///< of text; not 0. Below them are Screen::status_rows more
};

/// Text on a framebuffer (UEFI 2.10 12.9), with some lines at the bottom for what is the case now. The pixels are only
/// written: reading them is slow. One CPU at a time uses it. The loader makes it (boot/open_screen.hpp).
class Screen {
public:
    static constexpr u32 status_rows = 2;
    static constexpr u32 max_cells = 32768; ///< letters that can be shown, with the status
    static constexpr u32 letter_width = 8, letter_height = 16;
    static constexpr u32 light = 0xd0d0d0, dark = 0; ///< the same in RGB and BGR

    /// There is none: all that is written is lost.
    constexpr Screen() = default;
    /// `pixels`: its first one's address. All of them are dark, but for the status' rows, which are light.
    Screen(const ScreenLayout& layout, u64 pixels);
    /// It is mapped elsewhere from now on.
    void move(u64 pixels) { pixels_ = reinterpret_cast<volatile u32*>(pixels); }
    [[nodiscard]] bool is_open() const { return pixels_ != nullptr; }
    [[nodiscard]] u32 rows() const { return layout_.rows; }

    /// A character of text. Of a terminal's control characters it knows \r \n \b \t; escape sequences are left out, and
    /// none goes on behind the line's end.
    void put(char c);
    /// What stands at the bottom from now on; what does not fit is cut, and "..." says so.
    void show_status(std::string_view text);

private:
    enum class Escape : u8 { None, Begun, Sequence, String };

    bool skip(char c);
    void end_line();
    void change(u32 cell, char c);

    volatile u32* pixels_ = nullptr;
    ScreenLayout layout_;
    u32 column_ = 0, row_ = 0;
    Escape escape_ = Escape::None;
    std::array<char, max_cells> cells_{}; ///< what is shown; the status behind the text
};

} // namespace bulkhead::drivers
