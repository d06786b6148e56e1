// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "drivers/screen.hpp"

#include <array>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include <catch2/catch_test_macros.hpp>

#include "boot/open_screen.hpp"
#include "font.hpp"

using namespace bulkhead;
using drivers::Screen;

namespace {

/// Memory that the screen must keep within, between guards.
struct Monitor {
    static constexpr u32 untouched = 0x5a5a5a5a;
    static constexpr std::size_t guard = 4096;

    Monitor(u32 width, u32 height, u32 stride) : pixels(u64{stride} * height + 2 * guard, untouched) {
        info = {.address = {reinterpret_cast<u64>(pixels.data() + guard)},
                .size = u64{stride} * height * sizeof(u32),
                .width = width,
                .height = height,
                .pixels_per_line = stride,
                .format = 1};
        REQUIRE(boot::can_show_text(info));
        screen = std::make_unique<Screen>(boot::open_screen(info));
    }
    ~Monitor() {
        for (std::size_t i = 0; i < guard; ++i) {
            CHECK(pixels[i] == untouched);
            CHECK(pixels[pixels.size() - 1 - i] == untouched);
        }
    }
    void write(std::string_view text) const {
        for (const char c : text)
            screen->put(c);
    }
    [[nodiscard]] u32 scale() const { return std::max(1u, info.width / 1280); }
    [[nodiscard]] u32 pixel(u32 x, u32 y) const { return pixels[guard + u64{y} * info.pixels_per_line + x]; }
    /// What stands there, seen by its first pixel of each square.
    [[nodiscard]] char letter(u32 row, u32 column, bool inverse) const {
        for (char c = ' '; c <= '~'; ++c) {
            bool same = true;
            for (u32 y = 0; y < 16; ++y)
                for (u32 x = 0; x < 8; ++x) {
                    const bool ink = (console_font[4 + static_cast<u32>(c) * 16 + y] >> (7 - x) & 1) != 0;
                    const bool light = pixel((column * 8 + x) * scale(), (row * 16 + y) * scale()) != 0;
                    same = same && light == (ink != inverse);
                }
            if (same)
                return c;
        }
        return '\x7f';
    }
    [[nodiscard]] std::string line(u32 row, bool inverse = false) const {
        std::string text;
        for (u32 column = 0; column < info.width / 8 / scale(); ++column)
            text += letter(row, column, inverse);
        text.resize(text.find_last_not_of(' ') + 1);
        return text;
    }

    std::vector<u32> pixels;
    FramebufferInfo info;
    std::unique_ptr<Screen> screen;
};

} // namespace

TEST_CASE("Screen: text stands where a terminal would have it") {
    const Monitor monitor(640, 480, 640);
    monitor.write("one\r\ntwo\n\nthree\rT\n");
    monitor.write("a\tb\n");
    monitor.write("wrong\b\b\b\b\b\b\bright\n");
    monitor.write("\x80\xff\n");
    CHECK(monitor.line(0) == "one");
    CHECK(monitor.line(1) == "two");
    CHECK(monitor.line(2).empty());
    CHECK(monitor.line(3) == "Three");
    CHECK(monitor.line(4) == "a       b");
    CHECK(monitor.line(5) == "right");
    CHECK(monitor.line(6) == "??");
}

TEST_CASE("Screen: a long line goes on in the next") {
    const Monitor monitor(640, 480, 700);
    monitor.write(std::string(80, 'a') + "\n" + std::string(81, 'b') + "\n" + std::string(79, 'x') + "\t\tc\n");
    CHECK(monitor.line(0) == std::string(80, 'a'));
    CHECK(monitor.line(1) == std::string(80, 'b'));
    CHECK(monitor.line(2) == "b");
    CHECK(monitor.line(3) == std::string(79, 'x'));
    CHECK(monitor.line(4) == "c");
}

TEST_CASE("Screen: what is full moves up, and the status stays") {
    const Monitor monitor(640, 480, 640);
    constexpr u32 rows = 480 / 16 - Screen::status_rows;
    monitor.screen->show_status("alpha: running");
    for (int i = 0; i < 100; ++i)
        monitor.write("line " + std::to_string(i) + "\r\n");
    u32 last = rows;
    while (last > 0 && monitor.line(last - 1).empty())
        --last;
    REQUIRE(last > rows / 2);
    CHECK(last < rows);
    for (u32 row = 0; row < last; ++row)
        CHECK(monitor.line(row) == "line " + std::to_string(100 - last + row));
    CHECK(monitor.line(rows, true) == "alpha: running");
    CHECK(monitor.line(rows + 1, true).empty());
    monitor.screen->show_status(std::string(200, 's'));
    CHECK(monitor.line(rows, true) == std::string(80, 's'));
    CHECK(monitor.line(rows + 1, true) == std::string(77, 's') + "...");
    monitor.screen->show_status(std::string(160, 's'));
    CHECK(monitor.line(rows + 1, true) == std::string(80, 's'));
    monitor.screen->show_status("short");
    CHECK(monitor.line(rows, true) == "short");
    CHECK(monitor.line(rows + 1, true).empty());
}

TEST_CASE("Screen: escape sequences are left out, and take nothing of the next line along") {
    const Monitor monitor(640, 480, 640);
    monitor.write("\x1b[0;1;39mbold\x1b[0m\n");
    monitor.write("\x1b"
                  "7saved\n");
    monitor.write("open \x1b[1;2;3\nnext\n");
    monitor.write("end \x1b\nnext\n");
    monitor.write("\x1b(Bset\x1b[m\x1b(B\n");
    monitor.write("\x1b]0;title\aafter\x1bP1$r0m\x1b\\ that\n");
    monitor.write("string \x1b]0;title\nnext\n");
    CHECK(monitor.line(0) == "bold");
    CHECK(monitor.line(1) == "saved");
    CHECK(monitor.line(2) == "open");
    CHECK(monitor.line(3) == "next");
    CHECK(monitor.line(4) == "end");
    CHECK(monitor.line(5) == "next");
    CHECK(monitor.line(6) == "set");
    CHECK(monitor.line(7) == "after that");
    CHECK(monitor.line(8) == "string");
    CHECK(monitor.line(9) == "next");
}

TEST_CASE("Screen: letters are larger where pixels are small") {
    const Monitor monitor(3840, 2160, 3840);
    monitor.write("4K\n" + std::string(160, 'w') + "x");
    CHECK(monitor.line(0) == "4K");
    CHECK(monitor.line(1) == std::string(160, 'w'));
    CHECK(monitor.line(2) == "x");
    for (u32 x = 0; x < 24; ++x) // every pixel of a square
        for (u32 y = 0; y < 48; ++y)
            CHECK(monitor.pixel(x, y) == monitor.pixel(x / 3 * 3, y / 3 * 3));
}

TEST_CASE("Screen: whatever is written stays within the framebuffer") {
    std::mt19937 random(1);
    for (const auto& [width, height, stride] :
         {std::array{640u, 160u, 640u}, {2559u, 1600u, 2560u}, {1366u, 768u, 1376u}, {8000u, 160u, 8000u}}) {
        const Monitor monitor(width, height, stride);
        for (int i = 0; i < 20000; ++i)
            monitor.screen->put(static_cast<char>(random()));
        monitor.write(std::string(5000, '\n') + std::string(5000, '\t') + std::string(5000, '\b'));
    }
}

TEST_CASE("Screen: none is open without a framebuffer that can show text") {
    const FramebufferInfo good{.address = {0x80000000},
                               .size = 640 * 480 * 4,
                               .width = 640,
                               .height = 480,
                               .pixels_per_line = 640,
                               .format = 0};
    CHECK(boot::can_show_text(good));
    const auto without = [&](auto change) {
        FramebufferInfo info = good;
        change(info);
        return boot::can_show_text(info);
    };
    CHECK_FALSE(without([](FramebufferInfo& info) { info.address = {}; }));
    CHECK_FALSE(without([](FramebufferInfo& info) { info.format = 2; }));
    CHECK_FALSE(without([](FramebufferInfo& info) { info.size -= 1; }));
    CHECK_FALSE(without([](FramebufferInfo& info) { info.pixels_per_line = 639; }));
    CHECK_FALSE(without([](FramebufferInfo& info) { info.pixels_per_line = ~0u; }));
    CHECK_FALSE(without([](FramebufferInfo& info) { info.width = 639; }));
    CHECK_FALSE(without([](FramebufferInfo& info) { info.height = 159; }));
    Screen none;
    CHECK_FALSE(none.is_open());
    none.put('x');
    none.show_status("x");
}
