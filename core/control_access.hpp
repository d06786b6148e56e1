// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#pragma once

#include "core/control_registers.hpp"
#include "core/instruction.hpp"

namespace bulkhead {

/// What an instruction that exited does to CR0 or CR4.
struct ControlAccess {
    enum class Kind : u8 {
        Read,     ///< `value` goes to the general register `reg`
        Store,    ///< the lowest 16 bits of `value` go to the operand in memory
        WriteCr0, ///< `value` is the new CR0
        WriteCr4,
        Other, ///< it is another instruction
    } kind = Kind::Other;
    u8 reg = 0;
    u64 value = 0;
};

/// The control registers that nothing of ours intercepts. QEMU's TCG reports each read of any control register as one
/// of CR0 while reads of CR0 exit.
struct OtherControls {
    u64 cr2 = 0;
    u64 cr8 = 0;
};

/// MOV to CR0 and CR4 and from any control register, CLTS, LMSW and SMSW (SDM 2A to 2B; APM 3 4). `now`: the guest's
/// view. `word`: what LMSW's operand is, where that is in memory.
ControlAccess decode_control_access(const Instruction& instruction, const GuestControls& now,
                                    const OtherControls& other, const Registers& registers, u64 word = 0);

} // namespace bulkhead
