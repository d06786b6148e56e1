// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include <random>

#include <catch2/catch_test_macros.hpp>

#include "unit/core/decoder_comparison.hpp"

using namespace bulkhead;

namespace {

using Bytes = test::Code;
using Comparison = test::DecoderComparison;

constexpr CpuMode modes[] = {CpuMode::bits16, CpuMode::bits32, CpuMode::bits64};
constexpr u8 prefixes[] = {0x66, 0x67, 0xf2, 0xf3, 0xf0, 0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65};

void report(const Comparison& comparison) {
    for (const std::string& failure : comparison.failures)
        UNSCOPED_INFO(failure);
    CHECK(comparison.failures.empty());
}

/// Opcodes of which at least one form is ours, as the bytes after the prefixes.
bool is_ours(bool second_map, u8 opcode) {
    if (!second_map)
        return opcode < 0x40 || opcode == 0x63 || (opcode >= 0x6c && opcode <= 0x6f) ||
               (opcode >= 0x80 && opcode <= 0x90) || opcode == 0x9c || opcode == 0x9d ||
               (opcode >= 0xa0 && opcode <= 0xaf) || opcode == 0xc6 || opcode == 0xc7 || opcode == 0xcf ||
               opcode >= 0xe4;
    return opcode == 0x01 || (opcode >= 0x06 && opcode <= 0x09) || (opcode >= 0x20 && opcode <= 0x23) ||
           (opcode >= 0x30 && opcode <= 0x33) || (opcode >= 0xa2 && opcode <= 0xc0);
}

} // namespace

TEST_CASE("decoder: every opcode, ModRM and prefix, as Zydis has it") {
    constexpr u8 rex_64[] = {0, 0x40, 0x41, 0x42, 0x44, 0x48, 0x4f};
    for (const CpuMode mode : modes) {
        Comparison comparison(mode);
        std::minstd_rand random(1);
        const std::span<const u8> rexes = mode == CpuMode::bits64 ? std::span(rex_64) : std::span(rex_64).first(1);
        for (int prefix = -1; prefix < static_cast<int>(std::size(prefixes)); ++prefix)
            for (const u8 rex : rexes)
                for (unsigned opcode = 0; opcode < 512; ++opcode)
                    for (unsigned modrm = 0; modrm < 256;
                         modrm += is_ours(opcode >= 256, static_cast<u8>(opcode)) ? 1 : 51) {
                        Bytes bytes;
                        for (u8& byte : bytes)
                            byte = static_cast<u8>(random() >> 8);
                        u8* next = bytes.data();
                        if (prefix >= 0)
                            *next++ = prefixes[prefix];
                        if (rex != 0)
                            *next++ = rex;
                        if (opcode >= 256)
                            *next++ = 0x0f;
                        *next++ = static_cast<u8>(opcode);
                        *next = static_cast<u8>(modrm);
                        comparison.check(bytes);
                    }
        report(comparison);
        CHECK(comparison.accepted > 50'000);
    }
}

TEST_CASE("decoder: pseudo-random instructions with many prefixes, as Zydis has them") {
    for (const CpuMode mode : modes) {
        Comparison comparison(mode);
        std::mt19937 random(static_cast<unsigned>(mode) + 7);
        for (unsigned i = 0; i < 1'000'000; ++i) {
            Bytes bytes;
            for (u8& byte : bytes)
                byte = static_cast<u8>(random() >> 8);
            if (i % 4 != 0) { // prefixes in any order and number, then an opcode that is ours
                unsigned at = random() % 4 == 0 ? random() % 13 : random() % 4;
                for (unsigned k = 0; k < at; ++k)
                    bytes[k] = mode == CpuMode::bits64 && random() % 4 == 0 ? 0x40 | (random() & 15)
                                                                            : prefixes[random() % std::size(prefixes)];
                const bool second = random() % 2 == 0;
                u8 opcode = static_cast<u8>(random() >> 8);
                while (!is_ours(second, opcode))
                    ++opcode;
                if (second)
                    bytes[at++] = 0x0f;
                bytes[at] = opcode;
            }
            comparison.check(bytes);
        }
        report(comparison);
        CHECK(comparison.accepted > 100'000);
    }
}

TEST_CASE("decoder: nothing to decode is truncated, not refused") {
    const Result<Instruction> empty = decode({}, CpuMode::bits64);
    REQUIRE_FALSE(empty);
    CHECK(empty.error().what == instruction_truncated);
    const Bytes only_prefixes = [] {
        Bytes bytes;
        bytes.fill(0x66);
        return bytes;
    }();
    CHECK(decode(only_prefixes, CpuMode::bits32).error().what == instruction_truncated);
    const u8 mov_cr5[] = {0x0f, 0x20, 0xe8};
    CHECK(decode(mov_cr5, CpuMode::bits64).error().value == 0x0f20);
}

TEST_CASE("decoder: effective offsets are truncated to the address size") {
    Registers registers;
    registers.rax() = 0xffff'ffff'ffff'fff0;
    registers.rbx() = 0x1'0000'0020;
    registers.rsi() = 0xfff8;
    const auto offset = [&](std::initializer_list<u8> bytes, CpuMode mode) {
        const Result<Instruction> instruction = decode(std::span(bytes.begin(), bytes.size()), mode);
        REQUIRE(instruction);
        return effective_offset(*instruction, registers, 0x1000);
    };
    CHECK(offset({0x8b, 0x44, 0x58, 0x10}, CpuMode::bits64) == 0x2'0000'0040);               // [rax + rbx*2 + 16]
    CHECK(offset({0x67, 0x8b, 0x44, 0x58, 0x10}, CpuMode::bits64) == 0x40);                  // [eax + ebx*2 + 16]
    CHECK(offset({0x8b, 0x05, 0xf0, 0xff, 0xff, 0xff}, CpuMode::bits64) == 0x1000 + 6 - 16); // [rip - 16]
    CHECK(offset({0xc7, 0x05, 0, 0, 0, 0, 1, 2, 3, 4}, CpuMode::bits64) == 0x100a);          // the immediate counts
    CHECK(offset({0x8b, 0x40, 0x10}, CpuMode::bits16) == 0x18 + 0x10);                       // [bx + si + 16]
    CHECK(offset({0xa1, 0x34, 0xf2}, CpuMode::bits16) == 0xf234);
}
