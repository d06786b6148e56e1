// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#pragma once

#include "base/types.hpp"

namespace bulkhead::guest {

/// What lib/direct_entry.S found. In 32-bit mode upper halves are 0.
struct EntryState {
    u64 rax, rbx, rcx, rdx, rsi, rdi, rbp, rsp;
    u64 entry; ///< where it began: the address of the flat entry, or that of the 32-bit one
    u64 rflags, cr0, cr4, efer, cs, ds, tr;
};
static_assert(sizeof(EntryState) == 128);

extern "C" const EntryState entry_state;
extern "C" const u8 pvh_entry[];

} // namespace bulkhead::guest
