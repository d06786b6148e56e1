// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#pragma once

#include <array>
#include <span>

#include "base/types.hpp"

namespace bulkhead {

/// A vector whose storage is inside it: for code that has no heap. (std::inplace_vector is C++26.)
template <class T, std::size_t Capacity> class StaticVector {
public:
    /// False when it is full; nothing is stored then.
    [[nodiscard]] constexpr bool push_back(const T& value) {
        if (size_ == Capacity)
            return false;
        items_[size_++] = value;
        return true;
    }
    constexpr void pop_back() {
        if (size_ > 0)
            --size_;
    }
    constexpr void clear() { size_ = 0; }

    [[nodiscard]] constexpr std::size_t size() const { return size_; }
    [[nodiscard]] static constexpr std::size_t capacity() { return Capacity; }
    [[nodiscard]] constexpr bool empty() const { return size_ == 0; }
    [[nodiscard]] constexpr bool full() const { return size_ == Capacity; }

    constexpr T& operator[](std::size_t index) { return span()[index]; }
    constexpr const T& operator[](std::size_t index) const { return span()[index]; }
    constexpr T& back() { return span().back(); }

    constexpr T* begin() { return items_.data(); }
    constexpr T* end() { return items_.data() + size_; }
    constexpr const T* begin() const { return items_.data(); }
    constexpr const T* end() const { return items_.data() + size_; }

    constexpr std::span<T> span() { return {items_.data(), size_}; }
    constexpr std::span<const T> span() const { return {items_.data(), size_}; }

private:
    std::array<T, Capacity> items_{};
    std::size_t size_ = 0;
};

} // namespace bulkhead
