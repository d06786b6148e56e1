// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "core/guest_operand.hpp"

#include <algorithm>

#include "arch/x86_64/control_bits.hpp"

namespace bulkhead {

namespace {

// SegmentState::attributes
constexpr u16 type_readable_or_writable = 1 << 1;
constexpr u16 type_expand_down = 1 << 2;
constexpr u16 type_code = 1 << 3;
constexpr u16 attribute_p = 1 << 7;
constexpr u16 attribute_db = 1 << 10;

/// SDM 3A 5.3 and 5.5
bool segment_allows(const SegmentState& segment, u64 offset, u8 size, bool write) {
    const u16 attributes = segment.attributes;
    const bool code = (attributes & type_code) != 0;
    const bool bit1 = (attributes & type_readable_or_writable) != 0;
    if ((attributes & attribute_p) == 0 || (write && (code || !bit1)) || (code && !bit1))
        return false;
    const u64 last = offset + size - 1;
    if (code || (attributes & type_expand_down) == 0)
        return last <= segment.limit;
    return offset > segment.limit && last <= ((attributes & attribute_db) != 0 ? 0xffff'ffff : 0xffff);
}

} // namespace

u64 linear_address(const GuestView& view, SegmentName segment, u64 offset) {
    if (view.mode != CpuMode::bits64)
        return (view.segment(segment).base + offset) & 0xffff'ffff;
    const bool has_base = segment == SegmentName::FS || segment == SegmentName::GS;
    return has_base ? view.segment(segment).base + offset : offset;
}

std::expected<RamOperand, GuestFault> locate_operand(const GuestView& view, SegmentName segment, u64 offset, u8 size,
                                                     Access access) {
    // Real mode can write to code segments, as CS mostly is there; else what was loaded before counts (SDM 3A 9.9.2).
    const bool is_data = (view.segment(segment).attributes & type_code) == 0;
    const bool writes = access.write && (is_data || (view.paging.cr0 & cr0::PE) != 0);
    if (view.mode != CpuMode::bits64 && !segment_allows(view.segment(segment), offset, size, writes))
        return std::unexpected(GuestFault{segment == SegmentName::SS ? GuestFault::Kind::stack_fault
                                                                     : GuestFault::Kind::general_protection});
    const u64 linear = linear_address(view, segment, offset);
    const auto first = translate(view.memory, view.paging, linear, access);
    if (!first)
        return std::unexpected(first.error());
    RamOperand operand{first->address, {}, static_cast<u8>(std::min<u64>(size, first->remaining)), size};
    if (operand.first_size < size) {
        const u64 next =
            view.mode == CpuMode::bits64 ? linear + operand.first_size : (linear + operand.first_size) & 0xffff'ffff;
        const auto second = translate(view.memory, view.paging, next, access);
        if (!second)
            return std::unexpected(second.error());
        operand.second = second->address;
        if (!view.memory.contains(operand.second, size - operand.first_size))
            return std::unexpected(GuestFault{GuestFault::Kind::not_ram, 0, operand.second.value});
    }
    if (!view.memory.contains(operand.first, operand.first_size))
        return std::unexpected(GuestFault{GuestFault::Kind::not_ram, 0, operand.first.value});
    return operand;
}

u64 load(const GuestMemory& memory, const RamOperand& operand) {
    u64 value = 0;
    for (unsigned i = 0; i < operand.size; ++i) {
        const GuestPhysical at = i < operand.first_size ? operand.first + i : operand.second + (i - operand.first_size);
        value |= u64{memory.read<u8>(at).value_or(0xff)} << (8 * i);
    }
    return value;
}

void store(const GuestMemory& memory, const RamOperand& operand, u64 value) {
    for (unsigned i = 0; i < operand.size; ++i) {
        const GuestPhysical at = i < operand.first_size ? operand.first + i : operand.second + (i - operand.first_size);
        static_cast<void>(memory.write(at, static_cast<u8>(value >> (8 * i)))); // locate_operand() has checked it
    }
}

EmulationResult::Kind finish_element(const Instruction& instruction, Registers& registers, u64 rflags) {
    const u64 step = (rflags & rflags::DF) != 0 ? u64{0} - instruction.operand_size : instruction.operand_size;
    const auto add = [&](u8 number, u64 value) {
        write_register(registers, number, instruction.address_size, registers.gpr[number] + value);
    };
    const Operation operation = instruction.operation;
    if (operation == Operation::MOVS || operation == Operation::LODS || operation == Operation::OUTS)
        add(string_register::source, step);
    if (operation == Operation::MOVS || operation == Operation::STOS || operation == Operation::INS)
        add(string_register::destination, step);
    if (!instruction.repeat)
        return EmulationResult::Kind::advance;
    add(string_register::count, ~u64{0});
    return repeat_is_over(instruction, registers) ? EmulationResult::Kind::advance : EmulationResult::Kind::again;
}

} // namespace bulkhead
