// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// Machine code for the modes without long mode: the same instruction with the prefixes that each of them needs.
#pragma once

#include <array>
#include <span>

#include "guests/lib/modes.hpp"

namespace bulkhead::guest::attack {

class Code {
public:
    Code& add(auto... bytes) {
        ((bytes_[size_++] = static_cast<u8>(bytes)), ...);
        return *this;
    }
    Code& add_number(u32 value, unsigned size) {
        for (unsigned i = 0; i < size; ++i)
            add(value >> 8 * i);
        return *this;
    }
    [[nodiscard]] std::span<const u8> bytes() const { return std::span(bytes_).first(size_); }
    [[nodiscard]] u64 size() const { return size_; }

private:
    std::array<u8, 96> bytes_{};
    u64 size_ = 0;
};

enum class Effect : u8 { load, store, exchange, change, load_string, store_strings, from_device, to_device };

/// An access to memory as the instruction set has it, of 1 byte, or with bit 0 of the opcode set of 2 or 4.
struct Form {
    std::string_view what;
    Effect effect;
    u8 opcode;
    u8 prefix = 0;
    u8 digit = 0; ///< the register, or what ModRM has in its place
    bool modrm = true;
    bool absolute = false; ///< the address follows
};

inline constexpr Form forms[] = {
    {"MOV r, m", Effect::load, 0x8a},
    {"MOV m, r", Effect::store, 0x88},
    {"MOV A, moffs", Effect::load, 0xa0, 0, 0, false, true},
    {"MOV moffs, A", Effect::store, 0xa2, 0, 0, false, true},
    {"XCHG", Effect::exchange, 0x86},
    {"LOCK OR", Effect::change, 0x08, 0xf0},
    {"XOR m, r", Effect::change, 0x30},
    {"NOT", Effect::change, 0xf6, 0, 2},
    {"LODS", Effect::load_string, 0xac, 0, 0, false},
    {"REP STOS", Effect::store_strings, 0xaa, 0xf3, 0, false},
    {"MOVS from it", Effect::from_device, 0xa4, 0, 0, false},
    {"MOVS to it", Effect::to_device, 0xa4, 0, 0, false},
};

/// `size`: of the operand, 1, 2 or 4 bytes; `address`: 16 or 32 bits, then in BX or EBX. `offset` is for `absolute`.
inline Code encode(const Form& form, LegacyMode mode, unsigned size, unsigned address, u32 offset) {
    Code code;
    const unsigned bits = bits_of(mode);
    if (form.prefix != 0)
        code.add(form.prefix);
    if (size != 1 && size * 8 != bits)
        code.add(0x66);
    if (address != bits)
        code.add(0x67);
    code.add(form.opcode | (size == 1 ? 0 : 1));
    if (form.modrm)
        code.add((address == 16 ? 7 : 3) | form.digit << 3);
    if (form.absolute)
        code.add_number(offset, address / 8);
    return code;
}

/// Any instruction, for operands of 32 bits.
inline Code with_32_bits(LegacyMode mode, std::initializer_list<u8> bytes) {
    Code code;
    if (bits_of(mode) == 16)
        code.add(0x66);
    for (const u8 byte : bytes)
        code.add(byte);
    return code;
}

} // namespace bulkhead::guest::attack
