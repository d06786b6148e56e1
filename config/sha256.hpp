// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// SHA-256 (FIPS 180-4), for the files that a configuration names: in the loader and in the host command only.
#pragma once

#include <array>
#include <span>
#include <string_view>

#include "base/text.hpp"
#include "base/types.hpp"

namespace bulkhead {

class Sha256 {
public:
    using Digest = std::array<u8, 32>;

    /// Any number of bytes, in any number of calls; together less than 2^61.
    void add(std::span<const u8> bytes);
    /// Of all that was added. Nothing may be added after it.
    [[nodiscard]] Digest finish();

private:
    static constexpr std::size_t block_size = 64;

    void take_block(const u8* bytes);

    std::array<u32, 8> state_{0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                              0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19}; // FIPS 180-4 5.3.3
    std::array<u8, block_size> block_{};                                       ///< what is not a whole block yet
    u64 size_ = 0;
};

[[nodiscard]] Sha256::Digest sha256(std::span<const u8> bytes);

/// Whether `text`, 64 hexadecimal digits of either case, is this digest.
[[nodiscard]] bool is_digest(std::string_view text, const Sha256::Digest& digest);

/// As sha256sum prints it.
Text& operator<<(Text& text, const Sha256::Digest& digest);

} // namespace bulkhead
