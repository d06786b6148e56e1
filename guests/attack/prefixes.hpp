// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// Prefixes in every order in front of what the hypervisor carries out, and all registers behind it. In 64-bit mode (SDM
// 2A 2.1.1, 2.2.1): what is longer than 15 bytes is #GP, LOCK is #UD but before a read and write of memory, REX counts
// directly before the opcode, its W comes before 66, and what means nothing to an instruction does nothing.
#pragma once

#include <algorithm>
#include <array>
#include <cstring>
#include <span>

#include "guests/attack/attack.hpp"

namespace bulkhead::guest::attack {

enum class Does : u8 { load, load_byte, store, change, exchange, lods, stos, in, out, ins, outs };

/// With RBX, and RSI or RDI, at an absent device; DX at an absent port.
struct Prefixed {
    std::string_view what;
    Does does;
    std::array<u8, 3> bytes;
    u8 size;
};
inline constexpr Prefixed prefixed[] = {
    {"MOV EAX, [RBX]", Does::load, {0x8b, 0x03}, 2},
    {"MOVZX EAX, byte [RBX]", Does::load_byte, {0x0f, 0xb6, 0x03}, 3},
    {"MOV [RBX], EAX", Does::store, {0x89, 0x03}, 2},
    {"XOR [RBX], EAX", Does::change, {0x31, 0x03}, 2},
    {"XCHG [RBX], EAX", Does::exchange, {0x87, 0x03}, 2},
    {"LODSD", Does::lods, {0xad}, 1},
    {"STOSD", Does::stos, {0xab}, 1},
    {"IN EAX, DX", Does::in, {0xed}, 1},
    {"OUT DX, EAX", Does::out, {0xef}, 1},
    {"INSD", Does::ins, {0x6d}, 1},
    {"OUTSD", Does::outs, {0x6f}, 1},
};
inline constexpr u8 some_prefixes[] = {0x66, 0x67, 0xf0, 0xf2, 0xf3, 0x65, 0x40, 0x48};
inline constexpr u64 longest_instruction = 15;

class PrefixedRun {
public:
    PrefixedRun(const Prefixed& kind, std::span<const u8> prefixes, u64 device, u64 ram)
        : kind_(kind), prefixes_(prefixes), at_(kind.does == Does::ins || kind.does == Does::outs ? ram : device) {
        const bool rex_w = !prefixes.empty() && prefixes.back() == 0x48;
        size_ = rex_w ? (is_port() ? 4 : 8) : has(0x66) ? 2 : 4;
        repeats_ = is_string() && (has(0xf2) || has(0xf3));
        start_ = {.rdi = at_, .rsi = at_, .rdx = 0x80, .rcx = 3, .rbx = device, .rax = 0x1122334455667788};
    }

    [[nodiscard]] const Frame& start() const { return start_; }
    [[nodiscard]] bool is_longer() const { return prefixes_.size() + kind_.size > longest_instruction; }
    [[nodiscard]] Ends ends() const {
        const bool may_lock = kind_.does == Does::change || kind_.does == Does::exchange;
        const Ends bad = has(0xf0) && !may_lock ? undefined : Ends{0};
        return is_longer() ? bad | refused : bad != 0 ? bad : ignored;
    }
    /// The registers that any of these uses.
    [[nodiscard]] bool is_result(const Frame& end) const {
        Frame expected = start_;
        if (end.vector == returned) {
            const u64 count = repeats_ ? 3 : 1, step = count * size_;
            if (repeats_)
                expected.rcx = 0;
            if (kind_.does == Does::lods || kind_.does == Does::outs)
                expected.rsi += step;
            if (kind_.does == Does::stos || kind_.does == Does::ins)
                expected.rdi += step;
            if (kind_.does == Does::load || kind_.does == Does::exchange || kind_.does == Does::lods ||
                kind_.does == Does::in)
                expected.rax = with(~u64{0});
            if (kind_.does == Does::load_byte)
                expected.rax = with(0xff);
        }
        // QEMU's CPU obeys a REX.W that is not the last prefix; but for a port's size the hypervisor decodes by itself.
        const bool is_wide = kind_.does == Does::in && has(0x48) && !is_intel() && end.rax == 0xffffffff;
        return (end.rax == expected.rax || is_wide) && end.rbx == expected.rbx && end.rcx == expected.rcx &&
               end.rdx == expected.rdx && end.rsi == expected.rsi && end.rdi == expected.rdi;
    }

private:
    [[nodiscard]] bool has(u8 prefix) const { return std::ranges::find(prefixes_, prefix) != prefixes_.end(); }
    [[nodiscard]] bool is_port() const { return kind_.does >= Does::in; }
    [[nodiscard]] bool is_string() const {
        return kind_.does == Does::lods || kind_.does == Does::stos || kind_.does >= Does::ins;
    }
    /// RAX with this in its part of the operand's size.
    [[nodiscard]] u64 with(u64 value) const {
        return size_ == 2 ? (start_.rax & ~u64{0xffff}) | (value & 0xffff) : size_ == 4 ? value & 0xffffffff : value;
    }

    const Prefixed& kind_;
    std::span<const u8> prefixes_;
    u64 at_;
    u64 size_;
    bool repeats_;
    Frame start_;
};

/// Every sequence of up to three; the same made as long as an instruction may be, and longer, by what it begins with.
inline void try_combinations(Group& group, u64 device, u64 ram) {
    constexpr u64 kinds = std::size(some_prefixes), most = 3;
    const auto run = [&](const Prefixed& kind, std::span<const u8> prefixes) {
        u8 code[24];
        std::memcpy(code, prefixes.data(), prefixes.size());
        std::memcpy(code + prefixes.size(), kind.bytes.data(), kind.size);
        const PrefixedRun expected(kind, prefixes, device, ram);
        const Frame end = run_code(std::span(code, prefixes.size() + kind.size), Mode::kernel64, expected.start());
        u64 shown = 0;
        for (const u8 byte : prefixes.last(std::min(prefixes.size(), most)))
            shown = shown << 8 | byte;
        group.expect((end_of(end.vector) & expected.ends()) != 0 && expected.is_result(end), kind.what, ", ",
                     prefixes.size(), " prefixes that end in ", Hex{shown}, ": vector ", end.vector, " RAX ",
                     Hex{end.rax}, " RCX ", Hex{end.rcx}, " RSI ", Hex{end.rsi}, " RDI ", Hex{end.rdi});
    };
    for (const Prefixed& kind : prefixed)
        for (u64 count = 1, sequences = kinds; count <= most; ++count, sequences *= kinds)
            for (u64 sequence = 0; sequence < sequences; ++sequence) {
                u8 prefixes[20];
                for (u64 i = 0, rest = sequence; i < count; ++i, rest /= kinds)
                    prefixes[std::size(prefixes) - 1 - i] = some_prefixes[rest % kinds];
                const u8 first = prefixes[std::size(prefixes) - count];
                std::fill_n(prefixes, std::size(prefixes) - count, first);
                const std::span all(prefixes);
                run(kind, all.last(count));
                for (const u64 length : {longest_instruction, longest_instruction + 1})
                    if (length - kind.size > count)
                        run(kind, all.last(length - kind.size));
            }
}

} // namespace bulkhead::guest::attack
