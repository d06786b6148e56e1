// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// Flags and results against the CPU that runs the test.
#include <catch2/catch_test_macros.hpp>
#include <string>
#include <type_traits>

#include "arch/x86_64/control_bits.hpp"
#include "core/arithmetic.hpp"

using namespace bulkhead;

namespace {

constexpr u64 status = rflags::CF | rflags::PF | rflags::AF | rflags::ZF | rflags::SF | rflags::OF;

struct Executed {
    u64 value;
    u64 flags;
};

/// One instruction on the CPU, with the status flags given. The stack's red zone is stepped over.
#define EXECUTE(INSTRUCTION)                                                                                           \
    asm volatile("lea -128(%%rsp), %%rsp\n\tpushq %[flags]\n\tpopfq\n\t" INSTRUCTION                                   \
                 "\n\tpushfq\n\tpopq %[flags]\n\tlea 128(%%rsp), %%rsp"                                                \
                 : [flags] "+r"(flags), [d] "+r"(d)                                                                    \
                 : [s] "r"(s)                                                                                          \
                 : "cc", "memory")

/// BT and its kin have no byte form.
template <class T> Executed execute_bit(Operation operation, T d, T s, u64 flags) {
    if (operation == Operation::BT)
        EXECUTE("bt %[s], %[d]");
    else if (operation == Operation::BTS)
        EXECUTE("bts %[s], %[d]");
    else if (operation == Operation::BTR)
        EXECUTE("btr %[s], %[d]");
    else
        EXECUTE("btc %[s], %[d]");
    return {d, flags & status};
}

template <class T> Executed execute(Operation operation, T d, T s, u64 flags) {
    flags |= rflags::fixed_1 | rflags::IF;
    if (operation == Operation::ADD)
        EXECUTE("add %[s], %[d]");
    else if (operation == Operation::ADC)
        EXECUTE("adc %[s], %[d]");
    else if (operation == Operation::SUB)
        EXECUTE("sub %[s], %[d]");
    else if (operation == Operation::SBB)
        EXECUTE("sbb %[s], %[d]");
    else if (operation == Operation::CMP)
        EXECUTE("cmp %[s], %[d]");
    else if (operation == Operation::AND)
        EXECUTE("and %[s], %[d]");
    else if (operation == Operation::OR)
        EXECUTE("or %[s], %[d]");
    else if (operation == Operation::XOR)
        EXECUTE("xor %[s], %[d]");
    else if (operation == Operation::TEST)
        EXECUTE("test %[s], %[d]");
    else if (operation == Operation::INC)
        EXECUTE("inc %[d]");
    else if (operation == Operation::DEC)
        EXECUTE("dec %[d]");
    else if (operation == Operation::NEG)
        EXECUTE("neg %[d]");
    else if (operation == Operation::NOT)
        EXECUTE("not %[d]");
    else if constexpr (sizeof(T) > 1)
        return execute_bit(operation, d, s, flags);
    return {d, flags & status};
}

/// Flags that the manual defines for the operation.
u64 defined_flags(Operation operation) {
    if (operation >= Operation::BT && operation <= Operation::BTC)
        return rflags::CF | rflags::ZF;
    const bool logic = operation == Operation::AND || operation == Operation::OR || operation == Operation::XOR ||
                       operation == Operation::TEST;
    return logic ? status & ~rflags::AF : status;
}

template <class T> unsigned check_all(Operation operation) {
    static const u64 interesting[] = {0,
                                      1,
                                      2,
                                      7,
                                      8,
                                      15,
                                      16,
                                      31,
                                      33,
                                      0x7f,
                                      0x80,
                                      0x81,
                                      0xff,
                                      0x100,
                                      0x7fff,
                                      0x8000,
                                      0xffff,
                                      0x1'0000,
                                      0x7fff'ffff,
                                      0x8000'0000,
                                      0xffff'ffff,
                                      0x1'0000'0000,
                                      0x7fff'ffff'ffff'ffff,
                                      0x8000'0000'0000'0000,
                                      0xdead'beef'1234'5678,
                                      ~u64{0}};
    unsigned failures = 0;
    for (const u64 a : interesting)
        for (const u64 b : interesting)
            for (const u64 flags : {u64{0}, status, u64{rflags::CF}}) {
                const Executed cpu = execute<T>(operation, static_cast<T>(a), static_cast<T>(b), flags);
                const ArithmeticResult ours = compute(operation, a, b, sizeof(T), flags | rflags::IF);
                const u64 defined = defined_flags(operation);
                const bool same = ours.value == cpu.value && ((ours.rflags ^ cpu.flags) & defined) == 0 &&
                                  (ours.rflags & ~status) == rflags::IF;
                failures += same ? 0 : 1;
            }
    return failures;
}

} // namespace

TEST_CASE("mmio: results and flags are those of the CPU that runs this test") {
    constexpr Operation operations[] = {
        Operation::ADD, Operation::OR,  Operation::ADC, Operation::SBB,  Operation::AND, Operation::SUB,
        Operation::XOR, Operation::CMP, Operation::BT,  Operation::BTS,  Operation::BTR, Operation::BTC,
        Operation::INC, Operation::DEC, Operation::NOT, Operation::TEST, Operation::NEG,
    };
    for (const Operation operation : operations) {
        INFO("operation " << static_cast<int>(operation));
        if (operation < Operation::BT || operation > Operation::BTC)
            CHECK(check_all<u8>(operation) == 0);
        CHECK(check_all<u16>(operation) == 0);
        CHECK(check_all<u32>(operation) == 0);
        CHECK(check_all<u64>(operation) == 0);
    }
}
