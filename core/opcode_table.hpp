// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#pragma once

#include "core/instruction.hpp"

/// The opcode maps, as far as exits need them. Only for the decoder.
namespace bulkhead::opcode_table {

using enum Operation;

/// How the operand size of a row follows from opcode, prefixes and mode.
enum class Width : u8 {
    none,
    bit0,        // one byte if bit 0 of the opcode is clear, else `operand`
    operand,     // 2, 4 or 8 by mode, operand-size prefix and REX.W
    port,        // as bit0, but at most 4
    stack,       // as operand, but 8 instead of 4 in 64-bit mode
    native,      // 8 in 64-bit mode, else 4, whatever the prefixes
    word,        // 2
    extend,      // the register is `operand`, memory is 1 or 2 bytes by bit 0 of the opcode
    extend_long, // the register is `operand`, memory is 4 bytes
};

enum class Immediate : u8 { none, sign_extended_byte, operand, offset };

enum class Repeat : u8 { any, required, excluded };

inline constexpr u8 any = 0xff;

/// One line of the opcode maps. The first that matches decides.
struct Row {
    u16 opcode; // 0x0Fxx in the second map
    u8 mask;    // the bits of the opcode that matter
    u8 digit;   // bits 5 to 3 of ModRM, or `any`
    Operation operation;
    Form form;
    Width width;
    Immediate immediate = Immediate::none;
    bool lockable = false;
    Repeat repeat = Repeat::any;
};

// Source: SDM 2A appendix A, APM 3 appendix A.
inline constexpr Row rows[] = {
    {0x88, 0xfe, any, MOV, Form::mem_reg, Width::bit0},
    {0x8a, 0xfe, any, MOV, Form::reg_mem, Width::bit0},
    {0xa0, 0xfe, any, MOV, Form::reg_mem, Width::bit0, Immediate::offset},
    {0xa2, 0xfe, any, MOV, Form::mem_reg, Width::bit0, Immediate::offset},
    {0xc6, 0xfe, 0, MOV, Form::mem_imm, Width::bit0, Immediate::operand},
    {0x00, 0xc6, any, ADD, Form::mem_reg, Width::bit0, Immediate::none, true}, // ADD to CMP by bits 5 to 3
    {0x02, 0xc6, any, ADD, Form::reg_mem, Width::bit0},
    {0x80, 0xfe, any, ADD, Form::mem_imm, Width::bit0, Immediate::operand, true}, // ADD to CMP by the digit
    {0x83, 0xff, any, ADD, Form::mem_imm, Width::operand, Immediate::sign_extended_byte, true},
    {0x84, 0xfe, any, TEST, Form::mem_reg, Width::bit0},
    {0xf6, 0xfe, 0, TEST, Form::mem_imm, Width::bit0, Immediate::operand},
    {0xf6, 0xfe, 2, NOT, Form::mem, Width::bit0, Immediate::none, true},
    {0xf6, 0xfe, 3, NEG, Form::mem, Width::bit0, Immediate::none, true},
    {0xfe, 0xfe, 0, INC, Form::mem, Width::bit0, Immediate::none, true},
    {0xfe, 0xfe, 1, DEC, Form::mem, Width::bit0, Immediate::none, true},
    {0x86, 0xfe, any, XCHG, Form::mem_reg, Width::bit0, Immediate::none, true},
    {0x63, 0xff, any, MOVSX, Form::reg_mem, Width::extend_long},
    {0xa4, 0xfe, any, MOVS, Form::string, Width::bit0},
    {0xaa, 0xfe, any, STOS, Form::string, Width::bit0},
    {0xac, 0xfe, any, LODS, Form::string, Width::bit0},
    {0x6c, 0xfe, any, INS, Form::string, Width::port},
    {0x6e, 0xfe, any, OUTS, Form::string, Width::port},
    {0xe4, 0xfe, any, IN, Form::port_imm, Width::port},
    {0xe6, 0xfe, any, OUT, Form::port_imm, Width::port},
    {0xec, 0xfe, any, IN, Form::port_dx, Width::port},
    {0xee, 0xfe, any, OUT, Form::port_dx, Width::port},
    {0x90, 0xff, any, PAUSE, Form::none, Width::none, Immediate::none, false, Repeat::required},
    {0x9c, 0xff, any, PUSHF, Form::none, Width::stack},
    {0x9d, 0xff, any, POPF, Form::none, Width::stack},
    {0xcf, 0xff, any, IRET, Form::none, Width::operand},
    {0xf4, 0xff, any, HLT, Form::none, Width::none},
    {0x0f06, 0xff, any, CLTS, Form::none, Width::none},
    {0x0f08, 0xff, any, INVD, Form::none, Width::none},
    {0x0f09, 0xff, any, WBINVD, Form::none, Width::none, Immediate::none, false, Repeat::excluded},
    {0x0f09, 0xff, any, WBNOINVD, Form::none, Width::none, Immediate::none, false, Repeat::required},
    {0x0f20, 0xff, any, MOV_FROM_CR, Form::control_reg, Width::native},
    {0x0f21, 0xff, any, MOV_FROM_DR, Form::control_reg, Width::native},
    {0x0f22, 0xff, any, MOV_TO_CR, Form::control_reg, Width::native},
    {0x0f23, 0xff, any, MOV_TO_DR, Form::control_reg, Width::native},
    {0x0f30, 0xff, any, WRMSR, Form::none, Width::none},
    {0x0f31, 0xff, any, RDTSC, Form::none, Width::none},
    {0x0f32, 0xff, any, RDMSR, Form::none, Width::none},
    {0x0f33, 0xff, any, RDPMC, Form::none, Width::none},
    {0x0fa2, 0xff, any, CPUID, Form::none, Width::none},
    {0x0fa3, 0xff, any, BT, Form::mem_reg, Width::operand},
    {0x0fa3, 0xe7, any, BT, Form::mem_reg, Width::operand, Immediate::none, true}, // BTS, BTR, BTC by bits 4 to 3
    {0x0fba, 0xff, 4, BT, Form::mem_imm, Width::operand, Immediate::sign_extended_byte},
    {0x0fba, 0xff, 5, BTS, Form::mem_imm, Width::operand, Immediate::sign_extended_byte, true},
    {0x0fba, 0xff, 6, BTR, Form::mem_imm, Width::operand, Immediate::sign_extended_byte, true},
    {0x0fba, 0xff, 7, BTC, Form::mem_imm, Width::operand, Immediate::sign_extended_byte, true},
    {0x0fb6, 0xfe, any, MOVZX, Form::reg_mem, Width::extend},
    {0x0fbe, 0xfe, any, MOVSX, Form::reg_mem, Width::extend},
    {0x0f01, 0xff, 4, SMSW, Form::mem, Width::operand},
    {0x0f01, 0xff, 6, LMSW, Form::mem, Width::word},
    {0x0f01, 0xff, 7, INVLPG, Form::mem, Width::none},
};

/// 0F 01 with a ModRM that names registers: each byte is an instruction of its own.
struct SystemRow {
    u8 modrm;
    Operation operation;
    bool bare = false; // undefined with 66, F2 and F3
};
inline constexpr SystemRow system_rows[] = {
    {0xc1, VMCALL, true}, {0xc8, MONITOR, true}, {0xc9, MWAIT, true}, {0xd1, XSETBV, true}, {0xd8, VMRUN},
    {0xd9, VMMCALL},      {0xda, VMLOAD},        {0xdb, VMSAVE},      {0xdc, STGI},         {0xdd, CLGI},
    {0xde, SKINIT},       {0xdf, INVLPGA},       {0xf9, RDTSCP},
};

/// Base and index of a 16-bit ModRM, by its low three bits (SDM 2A table 2-1).
struct Pair {
    u8 base;
    u8 index;
};
inline constexpr u8 none = Instruction::no_register;
inline constexpr Pair pairs_16[] = {{3, 6}, {3, 7}, {5, 6}, {5, 7}, {6, none}, {7, none}, {5, none}, {3, none}};

} // namespace bulkhead::opcode_table
