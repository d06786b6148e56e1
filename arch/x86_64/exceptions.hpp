// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#pragma once

#include "base/text.hpp"
#include "base/types.hpp"

namespace bulkhead {

/// What exceptions.S and the CPU push (SDM 3A 6.14.2).
struct ExceptionFrame {
    u64 gpr[16]; ///< by register number: rax, rcx, rdx, rbx, rsp (at the push: see `rsp`), rbp, rsi, rdi, r8 to r15
    u64 vector;
    u64 error_code; ///< 0 where the exception has none
    u64 rip;
    u64 cs;
    u64 rflags;
    u64 rsp;
    u64 ss;
};
static_assert(sizeof(ExceptionFrame) == 23 * 8);

/// The manual's mnemonic of vectors 0 to 31, e.g. "#PF".
std::string_view exception_name(u64 vector);

} // namespace bulkhead

/// The stack protector's canary (-mstack-protector-guard=global).
extern "C" bulkhead::u64 __stack_chk_guard;
