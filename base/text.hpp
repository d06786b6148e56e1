// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#pragma once

#include <span>
#include <string_view>

#include "base/types.hpp"

namespace bulkhead {

/// Builds a line of text in a buffer that somebody else owns. What does not fit is cut, never written beyond.
/// There is no printf in the hypervisor: a format string that disagrees with its arguments cannot exist then.
class Text {
public:
    explicit constexpr Text(std::span<char> buffer) : buffer_(buffer) {}

    // Out of line: each is called from a hundred places.
    [[gnu::noinline]] constexpr Text& operator<<(std::string_view text) {
        for (char c : text)
            *this << c;
        return *this;
    }
    constexpr Text& operator<<(const char* text) { return *this << std::string_view(text); }
    constexpr Text& operator<<(char c) {
        if (size_ < buffer_.size())
            buffer_[size_++] = c;
        else
            cut_ = true;
        return *this;
    }
    /// Decimal.
    [[gnu::noinline]] constexpr Text& operator<<(u64 value) {
        char digits[20];
        std::size_t n = 0;
        do {
            digits[n++] = static_cast<char>('0' + value % 10);
            value /= 10;
        } while (value != 0);
        while (n > 0)
            *this << digits[--n];
        return *this;
    }
    constexpr Text& operator<<(u32 value) { return *this << u64{value}; }
    constexpr Text& operator<<(u16 value) { return *this << u64{value}; }

    [[nodiscard]] constexpr std::string_view view() const { return {buffer_.data(), size_}; }
    [[nodiscard]] constexpr bool cut() const { return cut_; }
    constexpr void clear() {
        size_ = 0;
        cut_ = false;
    }

private:
    std::span<char> buffer_;
    std::size_t size_ = 0;
    bool cut_ = false;
};

/// A number to be written in hexadecimal, with 0x in front, padded with zeros to `digits`.
struct Hex {
    u64 value;
    unsigned digits = 0;
};

[[gnu::noinline]] constexpr Text& operator<<(Text& text, Hex hex) {
    text << "0x";
    bool started = false;
    for (unsigned i = 16; i-- > 0;) {
        const unsigned nibble = (hex.value >> (4 * i)) & 0xf;
        started = started || nibble != 0 || i < hex.digits || i == 0;
        if (started)
            text << "0123456789abcdef"[nibble];
    }
    return text;
}

/// A number of bytes in the largest unit that divides it: "512 MiB", "96 KiB", "17 bytes".
struct Size {
    u64 bytes;
};

[[gnu::noinline]] constexpr Text& operator<<(Text& text, Size size) {
    if (size.bytes != 0 && size.bytes % GiB == 0)
        return text << size.bytes / GiB << " GiB";
    if (size.bytes != 0 && size.bytes % MiB == 0)
        return text << size.bytes / MiB << " MiB";
    if (size.bytes % KiB == 0)
        return text << size.bytes / KiB << " KiB";
    return text << size.bytes << " bytes";
}

/// A Text with its buffer inside.
template <std::size_t Capacity> class Line : public Text {
public:
    constexpr Line() : Text(std::span<char>(storage_)) {}
    Line(const Line&) = delete;
    Line& operator=(const Line&) = delete;

private:
    char storage_[Capacity]{};
};

} // namespace bulkhead
