// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "config/sha256.hpp"

#include <algorithm>
#include <bit>
#include <cstring>

namespace bulkhead {
namespace {

/// FIPS 180-4 4.2.2.
constexpr std::array<u32, 64> constants{
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

u32 big_endian(const u8* bytes) {
    u32 value = 0;
    std::memcpy(&value, bytes, sizeof value);
    return std::byteswap(value);
}

} // namespace

/// FIPS 180-4 6.2.2.
void Sha256::take_block(const u8* bytes) {
    std::array<u32, 64> words;
    for (std::size_t t = 0; t < 16; ++t)
        words[t] = big_endian(bytes + 4 * t);
    for (std::size_t t = 16; t < 64; ++t) {
        const u32 s0 = std::rotr(words[t - 15], 7) ^ std::rotr(words[t - 15], 18) ^ words[t - 15] >> 3;
        const u32 s1 = std::rotr(words[t - 2], 17) ^ std::rotr(words[t - 2], 19) ^ words[t - 2] >> 10;
        words[t] = words[t - 16] + s0 + words[t - 7] + s1;
    }
    auto [a, b, c, d, e, f, g, h] = state_;
    for (std::size_t t = 0; t < 64; ++t) {
        const u32 sum1 = std::rotr(e, 6) ^ std::rotr(e, 11) ^ std::rotr(e, 25);
        const u32 first = h + sum1 + ((e & f) ^ (~e & g)) + constants[t] + words[t];
        const u32 sum0 = std::rotr(a, 2) ^ std::rotr(a, 13) ^ std::rotr(a, 22);
        const u32 second = sum0 + ((a & b) ^ (a & c) ^ (b & c));
        h = g;
        g = f;
        f = e;
        e = d + first;
        d = c;
        c = b;
        b = a;
        a = first + second;
    }
    const std::array<u32, 8> change{a, b, c, d, e, f, g, h};
    for (std::size_t i = 0; i < state_.size(); ++i)
        state_[i] += change[i];
}

void Sha256::add(std::span<const u8> bytes) {
    const u8* next = bytes.data();
    u64 left = bytes.size();
    const u64 used = size_ % block_size;
    size_ += left;
    if (used != 0) {
        const u64 part = std::min(left, block_size - used);
        std::memcpy(block_.data() + used, next, part);
        next += part;
        left -= part;
        if (used + part < block_size)
            return;
        take_block(block_.data());
    }
    for (; left >= block_size; left -= block_size, next += block_size)
        take_block(next);
    if (left != 0)
        std::memcpy(block_.data(), next, left);
}

/// FIPS 180-4 5.1.1: a one, zeros, and the number of bits as the last 8 bytes of a block.
Sha256::Digest Sha256::finish() {
    const u64 bits = size_ * 8;
    constexpr std::array<u8, block_size> padding{0x80};
    constexpr u64 length_at = block_size - sizeof bits;
    const u64 used = size_ % block_size;
    add(std::span(padding).first(used < length_at ? length_at - used : block_size + length_at - used));
    std::array<u8, sizeof bits> length;
    for (std::size_t i = 0; i < length.size(); ++i)
        length[i] = static_cast<u8>(bits >> (56 - 8 * i));
    add(length);
    Digest digest;
    for (std::size_t i = 0; i < digest.size(); ++i)
        digest[i] = static_cast<u8>(state_[i / 4] >> (24 - i % 4 * 8));
    return digest;
}

Sha256::Digest sha256(std::span<const u8> bytes) {
    Sha256 hash;
    hash.add(bytes);
    return hash.finish();
}

bool is_digest(std::string_view text, const Sha256::Digest& digest) {
    Line<64> written;
    written << digest;
    const auto lower = [](char c) { return c >= 'A' && c <= 'F' ? static_cast<char>(c - 'A' + 'a') : c; };
    return std::ranges::equal(text, written.view(), {}, lower);
}

Text& operator<<(Text& text, const Sha256::Digest& digest) {
    for (const u8 byte : digest)
        text << "0123456789abcdef"[byte >> 4] << "0123456789abcdef"[byte & 0xf];
    return text;
}

} // namespace bulkhead
