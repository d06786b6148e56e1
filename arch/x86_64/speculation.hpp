// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// What a core forgets before it is a guest's.
#pragma once

namespace bulkhead {

/// Nothing that ran on this core before steers the branches of its guest: IBPB, where the CPU has it (APM 2 3.2.9;
/// Intel, "Speculative Execution Side Channel Mitigations").
void flush_branch_predictors();

/// Nothing that this core has read is left where an L1 terminal fault would find it: L1D_FLUSH, where the CPU has it.
void flush_l1_data_cache();

} // namespace bulkhead
