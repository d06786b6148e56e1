// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// Any bytes of guests and of the status, on a framebuffer of any size: what is drawn are letters, each in its place,
// and nothing is written beside them. An access outside of the framebuffer is AddressSanitizer's to find.
#include "drivers/screen.hpp"

#include <array>
#include <map>

#include "boot/open_screen.hpp"
#include "font.hpp"
#include "fuzz/fuzz.hpp"

namespace bulkhead {
namespace {

using drivers::Screen;
using fuzz::require;

using Shape = std::array<u8, Screen::letter_height>;

const std::map<Shape, char>& letters() {
    static const std::map<Shape, char> all = [] {
        std::map<Shape, char> shapes;
        for (char c = ' '; c <= '~'; ++c) {
            Shape shape;
            std::copy_n(console_font.begin() + 4 + static_cast<int>(c * Screen::letter_height), shape.size(),
                        shape.begin());
            shapes.emplace(shape, c);
        }
        return shapes;
    }();
    return all;
}

/// Small ones, as each pixel is looked at; with letters of every size, and some that cannot show text.
FramebufferInfo any_framebuffer(fuzz::Reader& reader) {
    constexpr u32 widths[] = {640, 640, 640, 704, 1280, 2560, 3840, 600}, heights[] = {160, 160, 192, 129};
    const u8 which = reader.take<u8>(), form = reader.take<u8>();
    FramebufferInfo info{.width = widths[which & 7] + (reader.take<u8>() & 0x3f),
                         .height = heights[which >> 3 & 3] + (reader.take<u8>() & 0x1f),
                         .format = (which & 0x80) != 0 ? form & 3u : 0};
    info.pixels_per_line = info.width + ((form & 4) != 0 ? reader.take<u8>() : 0);
    return info;
}

/// A framebuffer of exactly its size. What no letter covers has a colour that nobody draws with.
class Picture {
public:
    explicit Picture(const FramebufferInfo& info)
        : info_(info), pixels_(u64{info.pixels_per_line} * info.height, untouched) {
        info_.address = {reinterpret_cast<u64>(pixels_.data())};
        info_.size = pixels_.size() * sizeof(u32);
        if (!boot::can_show_text(info_))
            return;
        screen = boot::open_screen(info_);
        rows_ = screen.rows() + Screen::status_rows;
        // As docs/screen.md says, and as small as a screen of few lines needs.
        scale_ = std::clamp(info.width / 1280, 1u, info.height / Screen::letter_height / (2 * Screen::status_rows));
        columns_ = std::min(info.width / (Screen::letter_width * scale_), Screen::max_cells / 8);
        require(u64{rows_} * Screen::letter_height * scale_ <= info.height, "more lines than fit");
        require(screen.rows() != 0 && columns_ != 0 && rows_ * columns_ <= Screen::max_cells, "a screen of no size");
        for_each_outside([](u32& pixel) {
            require(pixel == Screen::dark || pixel == Screen::light, "it was not cleared");
            pixel = untouched;
        });
    }

    [[nodiscard]] u32 columns() const { return columns_; }

    /// It is mapped elsewhere: nothing comes to where it was.
    void move() {
        std::vector<u32> there = pixels_;
        std::swap(pixels_, there);
        left_ = std::move(there);
        std::ranges::fill(left_, untouched);
        screen.move(reinterpret_cast<u64>(pixels_.data()));
    }

    /// The letters, line by line, the status last.
    [[nodiscard]] std::string read() {
        for_each_outside([](const u32& pixel) { require(pixel == untouched, "a pixel that is of no letter"); });
        require(std::ranges::all_of(left_, [](u32 pixel) { return pixel == untouched; }), "drawn where it was before");
        std::string text;
        for (u32 row = 0; row < rows_; ++row)
            for (u32 column = 0; column < columns_; ++column)
                text += letter(row, column);
        return text;
    }

    Screen screen;

private:
    static constexpr u32 untouched = 0x5a5a5a5a;

    void for_each_outside(auto&& visit) {
        const u32 right = columns_ * Screen::letter_width * scale_, bottom = rows_ * Screen::letter_height * scale_;
        for (u32 y = 0; y < info_.height; ++y)
            for (u32& pixel : line(y).subspan(y < bottom ? right : 0))
                visit(pixel);
    }
    [[nodiscard]] std::span<u32> line(u32 y) {
        return std::span(pixels_).subspan(u64{y} * info_.pixels_per_line, info_.pixels_per_line);
    }
    /// The letter's pixels on a line of the framebuffer, the first one the highest bit; each is `scale_` wide.
    [[nodiscard]] u8 slice(u32 row, u32 column, u32 y) {
        const u32 ink = row < screen.rows() ? Screen::light : Screen::dark, width = Screen::letter_width * scale_;
        const u32* pixels = line(row * Screen::letter_height * scale_ + y).subspan(column * width, width).data();
        u32 bits = 0;
        for (u32 x = 0; x < width; ++x) {
            require(pixels[x] == Screen::light || pixels[x] == Screen::dark, "a colour that there is not");
            require(pixels[x] == pixels[x / scale_ * scale_], "half a pixel");
            bits = x % scale_ == 0 ? bits << 1 | (pixels[x] == ink ? 1 : 0) : bits;
        }
        return static_cast<u8>(bits);
    }
    [[nodiscard]] char letter(u32 row, u32 column) {
        Shape shape;
        for (u32 y = 0; y < Screen::letter_height * scale_; ++y) {
            const u8 bits = slice(row, column, y);
            require(y % scale_ == 0 || shape[y / scale_] == bits, "half a pixel");
            shape[y / scale_] = bits;
        }
        const auto found = letters().find(shape);
        require(found != letters().end(), "no letter");
        return found->second;
    }

    FramebufferInfo info_;
    std::vector<u32> pixels_, left_;
    u32 rows_ = 0, columns_ = 0, scale_ = 1;
};

/// What the two last lines show of `text`.
std::string shown_status(std::string_view text, std::size_t room) {
    std::string shown;
    for (const char c : text.substr(0, room))
        shown += c < ' ' || c > '~' ? '?' : c;
    shown.resize(room, ' ');
    return text.size() > room ? shown.substr(0, room - 3) + "..." : shown;
}

void write(Screen& screen, fuzz::Reader& reader, u8 what) {
    if ((what & 4) == 0) {
        for (const u8 byte : reader.bytes(what >> 3))
            screen.put(static_cast<char>(byte));
        return;
    }
    const char c = static_cast<char>(reader.take<u8>());
    for (u32 i = u32{1} << (what >> 3 & 7); i > 0; --i)
        screen.put(c);
}

/// Whatever a guest has begun, the next line is as it should be: its first letter is where it belongs. Returns all that
/// is shown then.
std::string show_next_line(Picture& picture) {
    Screen& screen = picture.screen;
    for (const char c : {'\n', 'A', '\b'})
        screen.put(c);
    const std::string before = picture.read();
    screen.put('B');
    const std::string after = picture.read();
    const auto [was, is] = std::ranges::mismatch(before, after);
    require(was != before.end() && *was == 'A' && *is == 'B', "a letter that is not shown");
    const auto at = static_cast<u64>(was - before.begin());
    require(at % picture.columns() == 0 && at / picture.columns() < screen.rows(), "a line that begins elsewhere");
    require(std::equal(was + 1, before.end(), is + 1, after.end()), "a letter that changes others");
    return after;
}

} // namespace

void fuzz::try_input(Bytes input) {
    Reader reader(input);
    Picture picture(any_framebuffer(reader));
    std::string status;
    while (!reader.empty()) {
        const u8 what = reader.take<u8>();
        if ((what & 3) == 3 && (what & 4) != 0) {
            picture.screen.is_open() ? picture.move() : void();
        } else if ((what & 3) == 3) {
            status = text_of(reader.bytes((what & 0x80) != 0 ? reader.take<u16>() % 512 : what >> 3));
            picture.screen.show_status(status);
        } else {
            write(picture.screen, reader, what);
        }
    }
    if (!picture.screen.is_open())
        return;
    const std::size_t room = Screen::status_rows * picture.columns();
    require(show_next_line(picture).ends_with(shown_status(status, room)), "another status than was asked for");
}

std::vector<fuzz::Seed> fuzz::seeds() {
    std::vector<Seed> seeds;
    for (const u8 which : {u8{0}, u8{3 | 1 << 3}, u8{5}, u8{6 | 2 << 3}, u8{0x80}, u8{7}}) {
        Writer seed;
        seed.number(which, 1).number(4 | which >> 7, 1).number(0, 2).number(which, 1);
        const auto print = [&](std::string_view text) { seed.number(text.size() << 3, 1).bytes(seed_of(text)); };
        print("one\r\ntwo\n\nthree\rT\n");
        print("a\tb\n\b\x80\xff\n");
        print("\x1b[0;1;39mbold\x1b[0m\n");
        print("\x1b]0;title\aafter\x1bP1$");
        seed.number(3 | 14 << 3, 1).bytes(seed_of("alpha: running"));
        seed.number(4 | 7 << 3, 1).number('x', 1).number(4 | 6 << 3, 1).number('\n', 1).number(7, 1);
        print("behind it\n");
        seed.number(0x83, 1).number(300, 2).bytes(Seed(300, 's'));
        seeds.push_back(seed.seed());
    }
    return seeds;
}

} // namespace bulkhead
