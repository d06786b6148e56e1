// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "core/control_access.hpp"

#include <array>

namespace bulkhead {

namespace {

using Kind = ControlAccess::Kind;
constexpr u64 machine_status_word = 0xf; // PE, MP, EM, TS: what LMSW loads

u64 truncate(u64 value, u8 bytes) { return bytes == 8 ? value : value & 0xffff'ffff; }

std::optional<u64> read_control(u8 number, const GuestControls& now, const OtherControls& other) {
    constexpr u32 present = 1u << 0 | 1u << 2 | 1u << 3 | 1u << 4 | 1u << 8;
    const std::array<u64, 9> values{now.cr0, 0, other.cr2, now.cr3, now.cr4, 0, 0, 0, other.cr8};
    if (number >= values.size() || (present >> number & 1) == 0)
        return std::nullopt;
    return values[number];
}

} // namespace

ControlAccess decode_control_access(const Instruction& instruction, const GuestControls& now,
                                    const OtherControls& other, const Registers& registers, u64 word) {
    const Operation operation = instruction.operation;
    if (operation == Operation::CLTS)
        return {Kind::WriteCr0, 0, now.cr0 & ~cr0::TS};
    const bool in_memory = instruction.form == Form::mem;
    if (operation == Operation::LMSW) {
        const u64 operand = in_memory ? word : registers.gpr[instruction.rm];
        // PE can be set, not cleared.
        const u64 loaded = (operand & machine_status_word) | (now.cr0 & cr0::PE);
        return {Kind::WriteCr0, 0, (now.cr0 & ~machine_status_word) | loaded};
    }
    if (operation == Operation::SMSW) {
        if (in_memory)
            return {Kind::Store, 0, now.cr0 & 0xffff};
        const u64 old = registers.gpr[instruction.rm];
        const u64 value = instruction.operand_size == 2 ? (old & ~u64{0xffff}) | (now.cr0 & 0xffff)
                                                        : truncate(now.cr0, instruction.operand_size);
        return {Kind::Read, instruction.rm, value};
    }
    if (instruction.form != Form::control_reg)
        return {};
    if (operation == Operation::MOV_FROM_CR)
        if (const std::optional<u64> value = read_control(instruction.reg, now, other))
            return {Kind::Read, instruction.rm, truncate(*value, instruction.operand_size)};
    if (operation == Operation::MOV_TO_CR && (instruction.reg == 0 || instruction.reg == 4))
        return {instruction.reg == 0 ? Kind::WriteCr0 : Kind::WriteCr4, 0,
                truncate(registers.gpr[instruction.rm], instruction.operand_size)};
    return {};
}

} // namespace bulkhead
