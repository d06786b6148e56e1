// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#pragma once

#include <algorithm>
#include <array>
#include <string_view>

#include "base/text.hpp"

namespace bulkhead::survey {

/// A copy of a text that somebody else wrote, a firmware for example. What does not fit is cut; what is not printable
/// ASCII becomes '?'. Zeros when it is empty, so that an inventory takes no room in the file of a program.
template <std::size_t Capacity> class FixedText {
public:
    constexpr FixedText() = default;
    constexpr FixedText(std::string_view text) { // NOLINT(*-explicit-*)
        size_ = std::min(text.size(), Capacity);
        for (std::size_t i = 0; i < size_; ++i)
            text_[i] = text[i] >= ' ' && text[i] <= '~' ? text[i] : '?';
        while (size_ > 0 && text_[size_ - 1] == ' ')
            --size_;
    }
    template <std::size_t Size>
    constexpr FixedText(const char (&text)[Size]) : FixedText(std::string_view(text)) {} // NOLINT(*-explicit-*)
    [[nodiscard]] constexpr std::string_view view() const { return {text_.data(), size_}; }
    [[nodiscard]] constexpr bool empty() const { return size_ == 0; }

private:
    std::array<char, Capacity> text_{};
    std::size_t size_ = 0;
};

} // namespace bulkhead::survey
