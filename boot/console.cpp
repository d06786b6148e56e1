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

/// A key that was pressed before it is asked for does not count, and one that answers at once does.
void Console::ask(std::string_view question) const {
    if (table_->ConIn != nullptr)
        table_->ConIn->Reset(table_->ConIn, FALSE);
    say(question);
}

bool Console::is_key_pressed_within(u64 seconds, std::string_view question) const {
    ask(question);
    constexpr u64 second = 10'000'000; // UEFI 2.10 7.1.7: 100 ns each
    EFI_EVENT events[2]{};
    UINTN index = 0;
    if (table_->ConIn == nullptr ||
        failed(table_->BootServices->CreateEvent(EVT_TIMER, TPL_APPLICATION, nullptr, nullptr, &events[0])))
        return true;
    events[1] = table_->ConIn->WaitForKey;
    table_->BootServices->SetTimer(events[0], TimerRelative, seconds * second);
    table_->BootServices->WaitForEvent(2, events, &index);
    table_->BootServices->CloseEvent(events[0]);
    return index == 1;
}

char Console::wait_for_key(std::string_view question) const {
    ask(question);
    if (table_->ConIn == nullptr)
        return 0;
    UINTN index = 0;
    table_->BootServices->WaitForEvent(1, &table_->ConIn->WaitForKey, &index);
    EFI_INPUT_KEY key{};
    const bool read = !failed(table_->ConIn->ReadKeyStroke(table_->ConIn, &key));
    return read && key.UnicodeChar < 0x80 ? static_cast<char>(key.UnicodeChar) : char{0};
}

bool Console::was_pressed(char letter) const {
    constexpr unsigned most = 64;        // a key that is held down goes on coming
    constexpr UINTN two_rounds = 50'000; // in microseconds: EDK II's drivers ask for keys every 20 ms
    table_->BootServices->Stall(two_rounds);
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
