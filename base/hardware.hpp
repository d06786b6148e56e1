// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// How code reaches hardware: always through a parameter of one of these kinds, so that a test can be the hardware.
#pragma once

#include <concepts>

#include "base/types.hpp"

namespace bulkhead {

/// I/O ports.
template <class T>
concept PortAccess = requires(T& ports, u16 port, u8 value) {
    { ports.in8(port) } -> std::same_as<u8>;
    { ports.in32(port) } -> std::same_as<u32>;
    ports.out8(port, value);
};

/// Model-specific registers of the running CPU. fence() makes all earlier stores visible before any later write():
/// MFENCE and LFENCE, as a write to an x2APIC register does not wait for stores (SDM 3A 11.12.3).
template <class T>
concept MsrAccess = requires(T& msrs, u32 number, u64 value) {
    { msrs.read(number) } -> std::same_as<u64>;
    msrs.write(number, value);
    msrs.fence();
};

/// The 32-bit registers of one memory-mapped device, by their offset in bytes.
template <class T>
concept MmioAccess = requires(T& registers, u32 offset, u32 value) {
    { registers.read(offset) } -> std::same_as<u32>;
    registers.write(offset, value);
};

/// The time-stamp counter.
template <class T>
concept TscAccess = requires(T& tsc) {
    { tsc.read() } -> std::same_as<u64>;
};

} // namespace bulkhead
