// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "core/arithmetic.hpp"

#include <bit>

#include "arch/x86_64/control_bits.hpp"
#include "core/guest_operand.hpp"

namespace bulkhead {

namespace {

constexpr u64 status_flags = rflags::CF | rflags::PF | rflags::AF | rflags::ZF | rflags::SF | rflags::OF;

/// Bit `size`*8-1 of `value`.
bool top_bit(u64 value, unsigned size) { return (value >> (8 * size - 1) & 1) != 0; }

/// PF, ZF and SF of a result.
u64 result_flags(u64 value, unsigned size) {
    u64 flags = std::popcount(static_cast<u8>(value)) % 2 == 0 ? rflags::PF : 0;
    flags |= (value & size_mask(size)) == 0 ? rflags::ZF : 0;
    flags |= top_bit(value, size) ? rflags::SF : 0;
    return flags;
}

ArithmeticResult logic(u64 value, unsigned size, u64 flags) {
    return {value & size_mask(size), (flags & ~status_flags) | result_flags(value, size)};
}

/// Carries out of each bit position decide CF, AF and OF.
ArithmeticResult with_carries(u64 value, u64 carries, u64 overflow, unsigned size, u64 flags) {
    ArithmeticResult result = logic(value, size, flags);
    result.rflags |= top_bit(carries, size) ? rflags::CF : 0;
    result.rflags |= (carries & 1 << 3) != 0 ? rflags::AF : 0;
    result.rflags |= top_bit(overflow, size) ? rflags::OF : 0;
    return result;
}

ArithmeticResult add(u64 a, u64 b, u64 carry, unsigned size, u64 flags) {
    const u64 sum = a + b + carry;
    return with_carries(sum, (a & b) | ((a | b) & ~sum), (a ^ sum) & (b ^ sum), size, flags);
}

ArithmeticResult subtract(u64 a, u64 b, u64 borrow, unsigned size, u64 flags) {
    const u64 difference = a - b - borrow;
    return with_carries(difference, (~a & b) | ((~a | b) & difference), (a ^ b) & (a ^ difference), size, flags);
}

ArithmeticResult bit(Operation operation, u64 value, u64 number, unsigned size, u64 flags) {
    const u64 mask = u64{1} << (number % (8 * size));
    flags = (flags & ~rflags::CF) | ((value & mask) != 0 ? rflags::CF : 0);
    if (operation == Operation::BTS)
        value |= mask;
    else if (operation == Operation::BTR)
        value &= ~mask;
    else if (operation == Operation::BTC)
        value ^= mask;
    return {value & size_mask(size), flags};
}

ArithmeticResult keep_carry(ArithmeticResult result, u64 flags) {
    return {result.value, (result.rflags & ~rflags::CF) | (flags & rflags::CF)};
}

ArithmeticResult keep_value(ArithmeticResult result, u64 value, unsigned size) {
    return {value & size_mask(size), result.rflags};
}

} // namespace

ArithmeticResult compute(Operation operation, u64 destination, u64 source, unsigned size, u64 rflags) {
    const u64 carry = rflags & rflags::CF;
    if (operation >= Operation::BT && operation <= Operation::BTC)
        return bit(operation, destination, source, size, rflags);
    if (operation == Operation::ADD)
        return add(destination, source, 0, size, rflags);
    if (operation == Operation::ADC)
        return add(destination, source, carry, size, rflags);
    if (operation == Operation::SUB)
        return subtract(destination, source, 0, size, rflags);
    if (operation == Operation::SBB)
        return subtract(destination, source, carry, size, rflags);
    if (operation == Operation::CMP)
        return keep_value(subtract(destination, source, 0, size, rflags), destination, size);
    if (operation == Operation::AND)
        return logic(destination & source, size, rflags);
    if (operation == Operation::OR)
        return logic(destination | source, size, rflags);
    if (operation == Operation::XOR)
        return logic(destination ^ source, size, rflags);
    if (operation == Operation::TEST)
        return keep_value(logic(destination & source, size, rflags), destination, size);
    if (operation == Operation::INC)
        return keep_carry(add(destination, 1, 0, size, rflags), rflags);
    if (operation == Operation::DEC)
        return keep_carry(subtract(destination, 1, 0, size, rflags), rflags);
    if (operation == Operation::NEG)
        return subtract(0, destination, 0, size, rflags);
    return {~destination & size_mask(size), rflags}; // NOT
}

} // namespace bulkhead
