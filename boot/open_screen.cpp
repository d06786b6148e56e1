// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "boot/open_screen.hpp"

#include <algorithm>
#include <cstring>

namespace bulkhead::boot {

using drivers::Screen;
using drivers::ScreenLayout;

bool can_show_text(const FramebufferInfo& framebuffer) {
    constexpr u32 last_known_format = 1; // PixelRedGreenBlue..., PixelBlueGreenRedReserved8BitPerColor
    constexpr u32 smallest_width = 80 * Screen::letter_width, smallest_height = 10 * Screen::letter_height;
    return framebuffer.address.value != 0 && framebuffer.format <= last_known_format &&
           framebuffer.width >= smallest_width && framebuffer.height >= smallest_height &&
           framebuffer.pixels_per_line >= framebuffer.width &&
           u64{framebuffer.pixels_per_line} * framebuffer.height <= framebuffer.size / sizeof(u32);
}

Screen open_screen(const FramebufferInfo& framebuffer) {
    constexpr u32 width_to_magnify = 1280; // where letters would be too small to read
    constexpr u32 most_columns = Screen::max_cells / 8;
    const u32 scale = std::clamp(framebuffer.width / width_to_magnify, 1u,
                                 framebuffer.height / Screen::letter_height / (2 * Screen::status_rows));
    const u32 columns = std::min(framebuffer.width / (Screen::letter_width * scale), most_columns);
    const u32 rows = std::min(framebuffer.height / (Screen::letter_height * scale), Screen::max_cells / columns);
    const ScreenLayout layout{
        .stride = framebuffer.pixels_per_line, .scale = scale, .columns = columns, .rows = rows - Screen::status_rows};
    const u64 row_size = u64{layout.stride} * Screen::letter_height * scale;
    auto* pixels = reinterpret_cast<u32*>(framebuffer.address.value);
    std::memset(pixels, 0, u64{layout.stride} * framebuffer.height * sizeof(u32)); // Screen::dark
    std::fill(pixels + layout.rows * row_size, pixels + rows * row_size, Screen::light);
    return {layout, framebuffer.address.value};
}

} // namespace bulkhead::boot
