// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "core/string_io.hpp"

namespace bulkhead {

std::expected<RamOperand, GuestFault> string_io_operand(const Instruction& instruction, const GuestView& view,
                                                        const Registers& registers) {
    const bool in = instruction.operation == Operation::INS;
    const u8 number = in ? string_register::destination : string_register::source;
    return locate_operand(view, in ? SegmentName::ES : instruction.segment,
                          string_offset(instruction, registers, number), instruction.operand_size, {.write = in});
}

} // namespace bulkhead
