// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#pragma once

#include <span>

#include "base/result.hpp"
#include "core/instruction.hpp"

namespace bulkhead {

/// The text of the error when an instruction goes on beyond the bytes given.
inline constexpr Literal instruction_truncated = "instruction goes on beyond the bytes that could be fetched";

/// Decodes the instruction at the start of `bytes`, of which at most 15 are looked at: exactly the instructions of
/// `Operation`, and of those on data in memory only the forms that have a memory operand. Refused, with the opcode as
/// the error's value (0x0FA2: second map): everything else, what is an invalid opcode (LOCK where it is not allowed),
/// and register operands in place of memory. `instruction_truncated`, with the number of bytes there were, if the
/// instruction goes on beyond them or beyond the 15th.
/// SDM 2A chapter 2 and appendix A; APM 3 chapter 1 and appendix A.
[[nodiscard]] Result<Instruction> decode(std::span<const u8> bytes, CpuMode mode);

} // namespace bulkhead
