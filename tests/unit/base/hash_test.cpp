// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "base/hash.hpp"

#include <vector>

#include <catch2/catch_test_macros.hpp>

using namespace bulkhead;

namespace {

std::vector<u8> bytes_of_size(u64 size) {
    std::vector<u8> bytes(size);
    for (u64 i = 0; i < size; ++i)
        bytes[i] = static_cast<u8>(i * 7 + 1);
    return bytes;
}

u64 hash_of(std::span<const u8> bytes) {
    Hash hash;
    hash.add_segment(0x1000, bytes);
    return hash.value();
}

} // namespace

TEST_CASE("Hash: every bit of every size counts") {
    for (const u64 size : {1, 7, 8, 9, 16, 61}) {
        std::vector<u8> bytes = bytes_of_size(size);
        const u64 before = hash_of(bytes);
        for (u64 bit = 0; bit < size * 8; ++bit) {
            bytes[bit / 8] ^= static_cast<u8>(1u << bit % 8);
            CHECK(hash_of(bytes) != before);
            bytes[bit / 8] ^= static_cast<u8>(1u << bit % 8);
        }
        CHECK(hash_of(bytes) == before);
    }
}

TEST_CASE("Hash: alignment does not count, order, place and size do") {
    std::vector<u8> bytes = bytes_of_size(40);
    const u64 aligned = hash_of(std::span(bytes).first(32));
    bytes.insert(bytes.begin(), 3, u8{0});
    CHECK(hash_of(std::span(bytes).subspan(3, 32)) == aligned);

    const std::vector<u8> zeros(64);
    CHECK(hash_of(std::span(zeros).first(8)) != hash_of(std::span(zeros).first(9)));
    CHECK(hash_of(std::span(zeros).first(8)) != hash_of(std::span(zeros).first(16)));
    Hash here;
    Hash there;
    here.add_segment(0x1000, zeros);
    there.add_segment(0x2000, zeros);
    CHECK(here.value() != there.value());
    Hash forward;
    Hash backward;
    forward.add(1);
    forward.add(2);
    backward.add(2);
    backward.add(1);
    CHECK(forward.value() != backward.value());
}

TEST_CASE("Hash: words are little-endian, the last one is filled up with zeros") {
    Hash bytes;
    Hash words;
    const std::vector<u8> nine{1, 2, 3, 4, 5, 6, 7, 8, 9};
    bytes.add(nine);
    words.add(0x0807060504030201);
    words.add(9);
    CHECK(bytes.value() == words.value());
}
