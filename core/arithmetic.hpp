// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#pragma once

#include "core/instruction.hpp"

namespace bulkhead {

struct ArithmeticResult {
    u64 value = 0; // zero-extended; for CMP, TEST and BT the unchanged destination
    u64 rflags = 0;
};

/// What an ADD to CMP, BT to BTC, TEST, INC, DEC, NOT or NEG makes of its operands of `size` bytes (1, 2, 4 or 8) and
/// of RFLAGS (SDM 1 appendix A). Bits of the operands beyond their size are ignored. Flags that the manual calls
/// undefined are left alone by BT to BTC, and AF is cleared by AND, OR, XOR and TEST, as CPUs do.
[[nodiscard]] ArithmeticResult compute(Operation operation, u64 destination, u64 source, unsigned size, u64 rflags);

} // namespace bulkhead
