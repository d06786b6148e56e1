// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#pragma once

#include "core/guest_operand.hpp"

namespace bulkhead {

/// Elements of one INS or OUTS that are moved before the guest is entered again: it is not interrupted meanwhile.
inline constexpr unsigned string_io_elements = 64;

/// The RAM side of the next element, with the faults that its CPU would raise before it touches the port.
[[nodiscard]] std::expected<RamOperand, GuestFault>
string_io_operand(const Instruction& instruction, const GuestView& view, const Registers& registers);

/// Emulates an intercepted INS or OUTS, with or without a repeat prefix: element by element as the CPU does, so that a
/// fault in the middle leaves RCX, RSI and RDI at the element that faulted. The port is DX. Permission to use the port
/// (IOPL, TSS) was checked by the CPU before it exited, for an access of `size` bytes: `not_emulable` if the
/// instruction is a larger one by now, or none. `ports` has
///     u32 read(u16 port, unsigned size);
///     void write(u16 port, unsigned size, u32 value);
template <class Ports>
[[nodiscard, clang::minsize]] EmulationResult emulate_string_io(const Instruction& instruction, const GuestView& view,
                                                                Registers& registers, u64 rflags, Ports& ports,
                                                                unsigned size) {
    using Kind = EmulationResult::Kind;
    if ((instruction.operation != Operation::INS && instruction.operation != Operation::OUTS) ||
        instruction.operand_size > size)
        return {Kind::not_emulable};
    const u16 port = static_cast<u16>(registers.rdx());
    Kind state = repeat_is_over(instruction, registers) ? Kind::advance : Kind::again;
    for (unsigned i = 0; i < string_io_elements && state == Kind::again; ++i) {
        const auto operand = string_io_operand(instruction, view, registers);
        if (!operand)
            return {Kind::fault, operand.error()};
        if (instruction.operation == Operation::INS)
            store(view.memory, *operand, ports.read(port, operand->size));
        else
            ports.write(port, operand->size, static_cast<u32>(load(view.memory, *operand)));
        state = finish_element(instruction, registers, rflags);
    }
    return {state};
}

} // namespace bulkhead
