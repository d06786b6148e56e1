// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// What a core forgets before it is a guest's.
#pragma once

#include "base/types.hpp"

namespace bulkhead {

/// x87, vector and all further state that XSAVE knows is initial, XCR0 is 1, IA32_SPEC_CTRL and TSC_AUX are 0.
/// `xcr0_mask`: what XCR0 may hold; 0 where there is no XSAVE.
void reset_extended_state(u64 xcr0_mask);

/// Nothing that ran on this core before steers the branches of its guest: IBPB, where the CPU has it (APM 2 3.2.9;
/// Intel, "Speculative Execution Side Channel Mitigations").
void flush_branch_predictors();

/// Nothing that this core has read is left where an L1 terminal fault would find it: L1D_FLUSH, where the CPU has it.
void flush_l1_data_cache();

} // namespace bulkhead
