// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// The examples of FIPS 180-2 appendix B and NIST's further ones, and the host's sha256sum on random bytes.
#include "config/sha256.hpp"

#include <cstdio>
#include <fstream>
#include <random>
#include <string>
#include <vector>

#include <catch2/catch_test_macros.hpp>

using namespace bulkhead;

namespace {

std::string text_of(const Sha256::Digest& digest) {
    Line<65> line;
    line << digest;
    return std::string(line.view());
}

std::span<const u8> bytes_of(std::string_view text) { return {reinterpret_cast<const u8*>(text.data()), text.size()}; }

std::string hash(std::string_view text) { return text_of(sha256(bytes_of(text))); }

std::string sha256sum(const std::string& path) {
    FILE* pipe = popen(("sha256sum < " + path).c_str(), "r");
    REQUIRE(pipe != nullptr);
    char line[65]{};
    const std::size_t read = std::fread(line, 1, 64, pipe);
    pclose(pipe);
    return {line, read};
}

} // namespace

TEST_CASE("SHA-256: NIST's examples") {
    CHECK(hash("") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    CHECK(hash("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    CHECK(hash("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq") ==
          "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
    CHECK(
        hash("abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmnopqrst"
             "nopqrstu") == "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1");
    CHECK(hash(std::string(1'000'000, 'a')) == "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
    CHECK(hash(std::string(1, '\xbd')) == "68325720aabd7c82f30f554b313d0570c95accbb7dc4b5aae11204c08ffe732b");
    CHECK(hash(std::string(55, '\0')) == "02779466cdec163811d078815c633f21901413081449002f24aa3e80f0b88ef7");
    CHECK(hash(std::string(56, '\0')) == "d4817aa5497628e7c77e6b606107042bbba3130888c5f47a375e6179be789fbb");
    CHECK(hash(std::string(64, '\0')) == "f5a5fd42d16a20302798ef6ed309979b43003d2320d9f0e8ea9831a92759fb4b");
}

TEST_CASE("SHA-256: in pieces it is the same, and as sha256sum says") {
    std::mt19937 random(256);
    for (int i = 0; i < 12; ++i) {
        std::string text(i < 6 ? random() % 200 : random() % 100'000, '\0');
        for (char& c : text)
            c = static_cast<char>(random());
        Sha256 hash_in_pieces;
        std::string_view rest = text;
        while (!rest.empty()) {
            const std::size_t piece = std::min<std::size_t>(rest.size(), random() % 300);
            hash_in_pieces.add(bytes_of(rest.substr(0, piece)));
            rest.remove_prefix(piece);
        }
        const std::string whole = hash(text);
        CHECK(text_of(hash_in_pieces.finish()) == whole);
        const std::string path = "sha256-test.bin";
        std::ofstream(path, std::ios::binary) << text;
        CHECK(sha256sum(path) == whole);
        std::remove(path.c_str());
    }
}

TEST_CASE("SHA-256: digests as text") {
    const Sha256::Digest digest = sha256(bytes_of("abc"));
    CHECK(is_digest("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", digest));
    CHECK(is_digest("BA7816BF8F01CFEA414140DE5DAE2223B00361A396177A9CB410FF61F20015AD", digest));
    CHECK_FALSE(is_digest("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ae", digest));
    CHECK_FALSE(is_digest("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015a", digest));
    CHECK_FALSE(is_digest("", digest));
}
