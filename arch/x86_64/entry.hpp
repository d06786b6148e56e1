// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#pragma once

#include "base/types.hpp"

extern "C" {

/// The stack in the image, mapped by all page tables: the bootstrap processor's until it is on its own.
extern bulkhead::u8 boot_stack_end[];

/// Loads CR3 and RSP, and calls function(argument), which must not return (entry.S).
[[noreturn]] void continue_on_stack(bulkhead::u64 cr3, bulkhead::u64 stack, void (*function)(bulkhead::u32),
                                    bulkhead::u32 argument);
}
