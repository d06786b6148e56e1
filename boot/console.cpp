// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "boot/firmware.hpp"

#include <array>

namespace bulkhead::boot {

namespace {
constinit std::array<char, 32 * KiB> memory{};
constinit Text printed(memory);
} // namespace

std::string_view Console::log() { return printed.view(); }

void Console::say(std::string_view line) const {
    print("bulkhead: ");
    print(line);
    print("\n");
}

void Console::print(std::string_view text) const {
    printed << text;
    constexpr u64 room = 128;
    CHAR16 buffer[room + 1];
    u64 used = 0;
    const auto flush = [&] {
        buffer[used] = 0;
        table_->ConOut->OutputString(table_->ConOut, buffer);
        used = 0;
    };
    for (char c : text) {
        if (used + 2 > room)
            flush();
        if (c == '\n')
            buffer[used++] = '\r';
        const bool is_ascii = c == '\n' || (c >= ' ' && c <= '~');
        buffer[used++] = static_cast<CHAR16>(is_ascii ? c : '?');
    }
    if (used > 0)
        flush();
}

char Console::wait_for_key() const {
    if (table_->ConIn == nullptr)
        return 0;
    UINTN index = 0;
    table_->ConIn->Reset(table_->ConIn, FALSE); // a key that was pressed earlier does not count
    table_->BootServices->WaitForEvent(1, &table_->ConIn->WaitForKey, &index);
    EFI_INPUT_KEY key{};
    const bool read = !failed(table_->ConIn->ReadKeyStroke(table_->ConIn, &key));
    return read && key.UnicodeChar < 0x80 ? static_cast<char>(key.UnicodeChar) : char{0};
}

bool Console::was_pressed(char letter) const {
    constexpr unsigned most = 64; // a key that is held down goes on coming
    bool pressed = false;
    EFI_INPUT_KEY key{};
    for (unsigned i = 0; table_->ConIn != nullptr && i < most; ++i) {
        if (failed(table_->ConIn->ReadKeyStroke(table_->ConIn, &key)))
            break;
        pressed = pressed || (key.UnicodeChar | 0x20) == letter;
    }
    return pressed;
}

} // namespace bulkhead::boot
