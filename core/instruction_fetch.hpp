// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#pragma once

#include <array>
#include <optional>
#include <span>

#include "base/result.hpp"
#include "core/guest_page_walk.hpp"
#include "core/instruction.hpp"

namespace bulkhead {

inline constexpr unsigned longest_instruction = 15;

/// Where a vCPU executes. `rip` is an offset from `cs_base`, which is 0 in 64-bit mode.
struct CodeLocation {
    u64 rip = 0;
    u64 cs_base = 0;
    CpuMode mode = CpuMode::bits64;
};

/// Code bytes of a guest, each read once. Fewer than were wanted if the next page cannot be fetched from: an
/// instruction that needs more of them faults with `fault`.
struct FetchedCode {
    std::array<u8, longest_instruction> bytes{};
    u8 size = 0;
    std::optional<GuestFault> fault;

    [[nodiscard]] std::span<const u8> span() const { return std::span(bytes).first(size); }
};

/// Fetches up to `wanted` bytes (at most 15), over a page boundary if need be.
[[nodiscard]] FetchedCode fetch_instruction(const GuestMemory& memory, const PagingState& paging,
                                            const CodeLocation& code, unsigned wanted = longest_instruction);

/// The same without permission checks, which the CPU made, and only where it is simple: see translate_code_fast().
/// Either 15 bytes or, where it is not simple, none.
[[nodiscard]] FetchedCode fetch_instruction_fast(const GuestMemory& memory, u64 cr3, u64 rip);

/// The instruction that an exit says was intercepted, and its usual encoding without prefixes.
struct InterceptedInstruction {
    Operation operation;
    u8 length;  // of the usual encoding
    u32 opcode; // its bytes, the first the lowest
    u32 mask;   // all ones in these bytes
};

inline constexpr InterceptedInstruction intercepted_cpuid{Operation::CPUID, 2, 0xa2'0f, 0xffff};
inline constexpr InterceptedInstruction intercepted_rdmsr{Operation::RDMSR, 2, 0x32'0f, 0xffff};
inline constexpr InterceptedInstruction intercepted_wrmsr{Operation::WRMSR, 2, 0x30'0f, 0xffff};
inline constexpr InterceptedInstruction intercepted_hlt{Operation::HLT, 1, 0xf4, 0xff};
inline constexpr InterceptedInstruction intercepted_vmmcall{Operation::VMMCALL, 3, 0xd9'01'0f, 0xff'ffff};
inline constexpr InterceptedInstruction intercepted_vmcall{Operation::VMCALL, 3, 0xc1'01'0f, 0xff'ffff};
inline constexpr InterceptedInstruction intercepted_xsetbv{Operation::XSETBV, 3, 0xd1'01'0f, 0xff'ffff};

/// The length of an intercepted instruction, where the CPU does not report it; for exits whose cost counts.
/// Only for 64-bit code (`rip` is then the linear address) under four-level paging, and only the usual encoding.
/// 0 says nothing: use instruction_length().
[[nodiscard, gnu::always_inline]] inline unsigned instruction_length_fast(const GuestMemory& memory, u64 cr3, u64 rip,
                                                                          const InterceptedInstruction& expected) {
    const u64 address = translate_code_fast(memory, cr3, rip);
    if (address == 0) [[unlikely]]
        return 0;
    const u32 difference = memory.read_unchecked<u32>(address) ^ expected.opcode;
    return (difference & expected.mask) == 0 ? expected.length : 0;
}

/// The length of an intercepted instruction, in any mode and with any prefixes. 0: the instruction is not there, since
/// another CPU of the guest has changed the code or its page tables after the exit. The vCPU is then entered again
/// without advancing: it executes, or faults on, what is there now, also what decode() does not know: one thread of a
/// process may have rewritten what another executes. An error: code outside of the guest's RAM; refuse the exit.
[[nodiscard]] Result<unsigned> instruction_length(const GuestMemory& memory, const PagingState& paging,
                                                  const CodeLocation& code, Operation expected);

} // namespace bulkhead
