// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#pragma once

#include <array>
#include <expected>
#include <optional>

#include "core/guest_page_walk.hpp"
#include "core/instruction.hpp"

namespace bulkhead {

/// What an emulated instruction leads to.
struct EmulationResult {
    enum class Kind : u8 {
        advance,      // it is complete: RIP moves on by its length
        again,        // a repeated string instruction has elements left: enter the guest at the same RIP
        fault,        // inject `fault` at the same RIP, or refuse the exit if it is `not_ram`
        not_emulable, // the hypervisor does not emulate this: RunLoop::refuse
    };
    Kind kind = Kind::advance;
    GuestFault fault{};
};

/// A segment register's hidden part.
struct SegmentState {
    u64 base = 0;
    u32 limit = 0;      // the last valid offset, in bytes
    u16 attributes = 0; // descriptor bits 55:52 and 47:40, as in a VMCB (APM 2 15.5.1): type, S, DPL, P, AVL, L, DB, G
};

/// A vCPU's view of its memory while it is stopped.
struct GuestView {
    const GuestMemory& memory;
    PagingState paging;
    CpuMode mode = CpuMode::bits64;
    std::array<SegmentState, 6> segments{}; // by SegmentName

    [[nodiscard]] const SegmentState& segment(SegmentName name) const { return segments[static_cast<u8>(name)]; }
};

/// Data in RAM: `size` bytes (1, 2, 4 or 8), of which those from `first_size` on are at `second`, on another page.
struct RamOperand {
    GuestPhysical first;
    GuestPhysical second;
    u8 first_size = 0;
    u8 size = 0;
};

/// The linear address of an offset, without checks. In 64-bit mode only FS and GS have a base (SDM 3A 3.4.4).
[[nodiscard]] u64 linear_address(const GuestView& view, SegmentName segment, u64 offset);

/// Where `size` bytes at an offset in a segment are, after all checks of segmentation and paging that their CPU makes.
/// Faults with `not_ram` if the bytes are not RAM.
[[nodiscard]] std::expected<RamOperand, GuestFault> locate_operand(const GuestView& view, SegmentName segment,
                                                                   u64 offset, u8 size, Access access);

/// The operand's value, zero-extended. The bytes are read once.
[[nodiscard]] u64 load(const GuestMemory& memory, const RamOperand& operand);
void store(const GuestMemory& memory, const RamOperand& operand, u64 value);

/// Bits of a register or memory value of `size` bytes (1 to 8).
constexpr u64 size_mask(unsigned size) { return ~u64{0} >> (64 - 8 * size); }

/// The low `size` bytes of a general register; writing 4 clears the high half, writing 1 or 2 keeps the rest
/// (SDM 1 3.4.1.1).
[[nodiscard]] constexpr u64 read_register(const Registers& registers, u8 number, unsigned size) {
    return registers.gpr[number] & size_mask(size);
}
constexpr void write_register(Registers& registers, u8 number, unsigned size, u64 value) {
    const u64 kept = size >= 4 ? 0 : registers.gpr[number] & ~size_mask(size);
    registers.gpr[number] = kept | (value & size_mask(size));
}

/// Numbers of the registers that string instructions imply.
namespace string_register {
inline constexpr u8 count = 1;       // rCX
inline constexpr u8 source = 6;      // rSI
inline constexpr u8 destination = 7; // rDI
} // namespace string_register

/// The offset in rSI or rDI.
[[nodiscard]] constexpr u64 string_offset(const Instruction& instruction, const Registers& registers, u8 number) {
    return read_register(registers, number, instruction.address_size);
}
/// True if a repeated instruction has come to its end; always false for one without a repeat prefix.
[[nodiscard]] constexpr bool repeat_is_over(const Instruction& instruction, const Registers& registers) {
    return instruction.repeat && string_offset(instruction, registers, string_register::count) == 0;
}
/// After an element: moves rSI or rDI (or both) in the direction of RFLAGS.DF, and counts. Returns `advance` after the
/// last element, else `again`.
EmulationResult::Kind finish_element(const Instruction& instruction, Registers& registers, u64 rflags);

} // namespace bulkhead
