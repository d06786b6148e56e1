// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// An exception that arises while the CPU delivers another one: SDM 3A tables 6-4 and 6-5, APM 2 table 8-8.
#pragma once

#include "core/backend.hpp"

namespace bulkhead {

constexpr bool is_page_fault_class(u8 vector) { return vector == 14 || vector == 20; }
constexpr bool is_contributory(u8 vector) { return vector == 0 || (vector >= 10 && vector <= 13) || vector == 21; }

constexpr bool makes_double_fault(u8 first, u8 second) {
    return (is_contributory(first) && is_contributory(second)) ||
           (is_page_fault_class(first) && (is_contributory(second) || is_page_fault_class(second)));
}

/// What the guest gets when `second` arises. `first`: the exception whose delivery that interrupted, if any. Empty: the
/// CPU would shut down (a triple fault). A benign one is replaced: its instruction is executed again, or it is lost as
/// on hardware.
constexpr std::optional<GuestException> combine(std::optional<u8> first, GuestException second) {
    constexpr u8 double_fault = 8;
    if (!first)
        return second;
    if (*first == double_fault && (is_contributory(second.vector) || is_page_fault_class(second.vector)))
        return std::nullopt;
    return makes_double_fault(*first, second.vector) ? GuestException{double_fault, 0} : second;
}

} // namespace bulkhead
