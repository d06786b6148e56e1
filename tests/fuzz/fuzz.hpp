// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// What a target of libFuzzer is made of: try_input() and seeds() in one file, and a line in CMakeLists.txt. main.cpp is
// the rest.
#pragma once

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/types.hpp"

namespace bulkhead::fuzz {

using Bytes = std::span<const u8>;
using Seed = std::vector<u8>;

/// Of the target: whatever `input` is, it returns.
void try_input(Bytes input);
/// Of the target: what to begin with.
std::vector<Seed> seeds();

[[noreturn]] inline void fail(const char* what) {
    std::fprintf(stderr, "%s\n", what);
    std::abort();
}

/// What must hold for any input.
inline void require(bool holds, const char* what) {
    if (!holds)
        fail(what);
}

inline std::string_view text_of(Bytes bytes) { return {reinterpret_cast<const char*>(bytes.data()), bytes.size()}; }
inline Seed seed_of(std::string_view text) { return {text.begin(), text.end()}; }

/// Takes numbers from the front of the input; where it has ended, zeros.
class Reader {
public:
    explicit Reader(Bytes input) : rest_(input) {}

    [[nodiscard]] bool empty() const { return rest_.empty(); }
    template <class T> T take() {
        T value{};
        const std::size_t size = std::min(sizeof value, rest_.size());
        if (size != 0)
            std::memcpy(&value, rest_.data(), size);
        rest_ = rest_.subspan(size);
        return value;
    }
    /// At most so many.
    Bytes bytes(std::size_t size) {
        const Bytes taken = rest_.first(std::min(size, rest_.size()));
        rest_ = rest_.subspan(taken.size());
        return taken;
    }
    Bytes rest() { return bytes(rest_.size()); }

private:
    Bytes rest_;
};

/// Puts a seed together, little-endian.
class Writer {
public:
    Writer& number(u64 value, unsigned size) {
        for (unsigned i = 0; i < size; ++i)
            seed_.push_back(static_cast<u8>(value >> (8 * i)));
        return *this;
    }
    Writer& bytes(Bytes bytes) {
        seed_.insert(seed_.end(), bytes.begin(), bytes.end());
        return *this;
    }
    [[nodiscard]] const Seed& seed() const { return seed_; }

private:
    Seed seed_;
};

} // namespace bulkhead::fuzz
