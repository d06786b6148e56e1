// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#pragma once

#include "boot/boot_info.hpp"
#include "drivers/screen.hpp"

namespace bulkhead::boot {

/// Whether text can be shown there: pixels of 32 bits, RGB or BGR, all of them within its size, and enough of them.
[[nodiscard]] bool can_show_text(const FramebufferInfo& framebuffer);

/// Clears it. `framebuffer`: one that can_show_text(), mapped at its own address.
[[nodiscard]] drivers::Screen open_screen(const FramebufferInfo& framebuffer);

} // namespace bulkhead::boot
