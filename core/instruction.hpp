// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#pragma once

#include "core/registers.hpp"

namespace bulkhead {

/// The code segment's default sizes: real and virtual-8086 mode are `bits16`.
enum class CpuMode : u8 { bits16, bits32, bits64 };

/// Numbered as in instruction encodings (SDM 2A table 2-4 and 3A 3.4.2).
enum class SegmentName : u8 { ES, CS, SS, DS, FS, GS };

// clang-format off
/// The instructions that exits need, by the manuals' mnemonics.
enum class Operation : u8 {
    // In the order of their encoding in bits 5 to 3 of the opcode or of ModRM.
    ADD, OR, ADC, SBB, AND, SUB, XOR, CMP,
    // In the order of their encoding in bits 4 to 3 of the opcode.
    BT, BTS, BTR, BTC,
    // Operations on memory.
    MOV, MOVZX, MOVSX, TEST, XCHG, INC, DEC, NOT, NEG, MOVS, STOS, LODS,
    // Ports.
    IN, OUT, INS, OUTS,
    // Instructions that a control or the architecture intercepts.
    CPUID, RDMSR, WRMSR, HLT, VMMCALL, VMCALL, XSETBV, INVD, WBINVD, WBNOINVD, RDTSC, RDTSCP, RDPMC, MONITOR, MWAIT,
    PAUSE, IRET, PUSHF, POPF, INVLPG, INVLPGA, CLTS, LMSW, SMSW, VMRUN, VMLOAD, VMSAVE, STGI, CLGI, SKINIT,
    MOV_FROM_CR, MOV_TO_CR, MOV_FROM_DR, MOV_TO_DR,
};
// clang-format on

/// What an instruction's operands are, the destination first.
enum class Form : u8 {
    none,        // no operands, or implied registers
    mem_reg,     // memory, `reg`
    reg_mem,     // `reg`, memory
    mem_imm,     // memory, `immediate`
    mem,         // memory
    reg,         // `reg`
    control_reg, // control or debug register `reg` and general register `rm`
    string,      // memory at rSI or rDI, or both
    port_imm,    // rAX and the port in `immediate`
    port_dx,     // rAX and the port in DX
};

/// A decoded instruction. Sizes are in bytes. Registers are numbers of Registers::gpr.
struct Instruction {
    static constexpr u8 no_register = 0xff;
    static constexpr u8 instruction_pointer = 16; // as `base`: RIP of the next instruction

    Operation operation{};
    Form form = Form::none;
    u8 length = 0;       // 1 to 15
    u8 operand_size = 0; // of `reg`, of the arithmetic, of a string's element, of a port access: 1, 2, 4 or 8
    u8 memory_size = 0;  // of the memory operand; 0 if there is none, or no data is accessed (INVLPG)
    u8 address_size = 0; // 2, 4 or 8; also of the count register of a repeated string instruction
    u8 reg = 0;
    u8 rm = 0;
    bool reg_is_high_byte = false; // AH, CH, DH, BH: then `reg` is 0 to 3
    bool lock = false;
    bool repeat = false; // REP, REPE or REPNE before a string instruction
    SegmentName segment = SegmentName::DS;
    u8 base = no_register;
    u8 index = no_register;
    u8 scale = 0; // the index is shifted left by this
    i64 displacement = 0;
    u64 immediate = 0; // sign-extended to 64 bits
};

/// The offset in `instruction.segment` of a memory operand given by ModRM or as an absolute offset (not a string's),
/// truncated to the address size. `rip` is the instruction's own. SDM 2A 2.1.5, 2.2.1.6; SDM 1 3.7.5.
[[nodiscard]] u64 effective_offset(const Instruction& instruction, const Registers& registers, u64 rip);

} // namespace bulkhead
