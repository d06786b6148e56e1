// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// Debug registers by their number.
#pragma once

#include "guests/lib/traps.hpp"

namespace bulkhead::guest::attack {

template <unsigned Number> u64 read_debug() {
    u64 value;
    asm volatile("movq %%dr%c1, %0" : "=r"(value) : "i"(Number));
    return value;
}
template <unsigned Number> void write_debug(u64 value) {
    asm volatile("movq %0, %%dr%c1" : : "r"(value), "i"(Number) : "memory");
}

inline constexpr u64 dr6_reset = 0xffff0ff0, dr7_reset = 0x400, dr6_bd = 1 << 13, dr7_gd = 1 << 13;

/// DR0 to DR3.
inline u64 read_breakpoint(unsigned number) {
    constexpr u64 (*all[])() = {read_debug<0>, read_debug<1>, read_debug<2>, read_debug<3>};
    return all[number]();
}
inline void write_breakpoint(unsigned number, u64 address) {
    constexpr void (*all[])(u64) = {write_debug<0>, write_debug<1>, write_debug<2>, write_debug<3>};
    all[number](address);
}

enum class Break : u64 { execution, write, port, access }; // R/W of DR7
inline constexpr u64 local = 1, global = 2;

/// LEN of DR7, where 2 means 8 bytes and 3 means 4.
constexpr u64 length_of(u64 bytes) { return bytes == 8 ? 2 : bytes - 1; }
constexpr u64 dr7_for(unsigned number, Break kind, u64 bytes, u64 enable = local) {
    return enable << 2 * number | (static_cast<u64>(kind) | length_of(bytes) << 2) << (16 + 4 * number);
}

inline void clear_breakpoints() {
    write_debug<7>(dr7_reset);
    write_debug<6>(dr6_reset);
    for (unsigned i = 0; i < 4; ++i)
        write_breakpoint(i, 0);
}

} // namespace bulkhead::guest::attack
