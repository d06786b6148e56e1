// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "core/instruction_decoder.hpp"

#include <algorithm>

#include "core/instruction_bytes.hpp"
#include "core/opcode_table.hpp"

namespace bulkhead {

using namespace opcode_table;

namespace {

class Decoder {
public:
    Decoder(std::span<const u8> bytes, CpuMode mode) : reader_(bytes), mode_(mode) {}

    Result<Instruction> run() {
        prefixes_ = read_prefixes(reader_, mode_);
        insn_.lock = prefixes_.lock;
        opcode_ = reader_.byte();
        if (opcode_ == 0x0f)
            opcode_ = static_cast<u16>(0x0f00 | reader_.byte());
        if (reader_.truncated())
            return fail(instruction_truncated, reader_.position());
        insn_.address_size = mode_ == CpuMode::bits64 ? (prefixes_.address_size ? 4 : 8)
                                                      : ((mode_ == CpuMode::bits32) != prefixes_.address_size ? 4 : 2);
        const bool done = decode_system_row() || decode_row();
        if (reader_.truncated())
            return fail(instruction_truncated, reader_.position());
        if (!done)
            return fail("not an instruction that exits need, opcode", opcode_);
        insn_.length = reader_.position();
        return insn_;
    }

private:
    [[nodiscard]] u8 operand_size() const {
        if (prefixes_.rex_bit(3) != 0)
            return 8;
        return (mode_ != CpuMode::bits16) != prefixes_.operand_size ? 4 : 2;
    }

    bool decode_system_row() {
        if (opcode_ != 0x0f01)
            return false;
        for (const SystemRow& row : system_rows)
            if (row.modrm == reader_.peek() && !insn_.lock &&
                !(row.bare && (prefixes_.operand_size || prefixes_.repeat != 0))) {
                reader_.byte();
                insn_.operation = row.operation;
                return true;
            }
        return false;
    }

    bool decode_row() {
        for (const Row& row : rows) {
            if (((row.opcode ^ opcode_) & (0xff00 | row.mask)) != 0)
                continue;
            if (row.digit != any && reader_.at_end())
                reader_.mark_truncated();
            if (row.digit != any && row.digit != (reader_.peek() >> 3 & 7))
                continue;
            if (row.repeat != Repeat::any && (row.repeat == Repeat::required) != (prefixes_.repeat == 0xf3))
                continue;
            return apply(row);
        }
        return false;
    }

    bool apply(const Row& row) {
        insn_.operation = row.operation;
        insn_.form = row.form;
        if (insn_.lock && !row.lockable)
            return false;
        set_sizes(row);
        if (row.immediate == Immediate::offset) {
            insn_.displacement = static_cast<i64>(reader_.number(insn_.address_size));
            insn_.memory_size = insn_.operand_size;
            insn_.segment = segment_or(SegmentName::DS);
            return true;
        }
        return decode_operands(row) && specialize(row) && decode_immediate(row);
    }

    void set_sizes(const Row& row) {
        const bool byte_wide = (opcode_ & 1) == 0;
        const u8 size = operand_size();
        switch (row.width) {
        case Width::none:
            return;
        case Width::bit0:
            insn_.operand_size = byte_wide ? 1 : size;
            break;
        case Width::operand:
            insn_.operand_size = size;
            break;
        case Width::port:
            insn_.operand_size = byte_wide ? 1 : std::min<u8>(size, 4);
            break;
        case Width::stack:
            insn_.operand_size = mode_ == CpuMode::bits64 && !prefixes_.operand_size ? 8 : size;
            break;
        case Width::native:
            insn_.operand_size = mode_ == CpuMode::bits64 ? 8 : 4;
            break;
        case Width::word:
            insn_.operand_size = 2;
            break;
        case Width::extend:
        case Width::extend_long:
            insn_.operand_size = size;
            insn_.memory_size = row.width == Width::extend_long ? 4 : byte_wide ? 1 : 2;
            return;
        }
    }

    bool decode_operands(const Row& row) {
        switch (row.form) {
        case Form::none:
        case Form::port_imm:
        case Form::port_dx:
        case Form::reg:
            return true;
        case Form::string:
            insn_.memory_size = insn_.operand_size;
            insn_.repeat = prefixes_.repeat != 0;
            insn_.segment = segment_or(SegmentName::DS);
            return true;
        case Form::control_reg: { // the mode bits of ModRM are ignored (SDM 2B, MOV to and from control registers)
            const u8 modrm = reader_.byte();
            insn_.reg = static_cast<u8>((modrm >> 3 & 7) | prefixes_.rex_bit(2));
            insn_.rm = static_cast<u8>((modrm & 7) | prefixes_.rex_bit(0));
            return true;
        }
        case Form::mem_reg:
        case Form::reg_mem:
        case Form::mem_imm:
        case Form::mem:
            return decode_modrm();
        }
        return false;
    }

    bool decode_modrm() {
        const u8 modrm = reader_.byte();
        const u8 mod = modrm >> 6;
        digit_ = modrm >> 3 & 7;
        insn_.reg = static_cast<u8>((modrm >> 3 & 7) | prefixes_.rex_bit(2));
        insn_.rm = static_cast<u8>((modrm & 7) | prefixes_.rex_bit(0));
        if (insn_.memory_size == 0)
            insn_.memory_size = insn_.operand_size;
        if (mod == 3)
            return is_register_form();
        // Without REX, numbers 4 to 7 of a byte register are the high bytes of registers 0 to 3 (SDM 2A table 3-1).
        if (insn_.operand_size == 1 && prefixes_.rex == 0 && insn_.reg >= 4) {
            insn_.reg_is_high_byte = true;
            insn_.reg -= 4;
        }
        if (insn_.address_size == 2)
            decode_memory_16(mod, modrm & 7);
        else
            decode_memory(mod, modrm & 7);
        const bool in_stack = insn_.base == 4 || insn_.base == 5;
        insn_.segment = segment_or(in_stack ? SegmentName::SS : SegmentName::DS);
        return true;
    }

    /// Only LMSW and SMSW are wanted with a register in place of memory.
    bool is_register_form() {
        if (insn_.operation != LMSW && insn_.operation != SMSW)
            return false;
        insn_.form = Form::reg;
        insn_.reg = insn_.rm;
        insn_.memory_size = 0;
        return true;
    }

    void decode_memory_16(u8 mod, u8 rm) {
        if (mod == 0 && rm == 6) {
            insn_.displacement = static_cast<i64>(reader_.number(2));
            return;
        }
        insn_.base = pairs_16[rm].base;
        insn_.index = pairs_16[rm].index;
        insn_.displacement = static_cast<i64>(reader_.number(mod)); // 0, 1 or 2 bytes
    }

    void decode_memory(u8 mod, u8 rm) {
        insn_.base = insn_.rm;
        if (rm == 4) { // SIB
            const u8 sib = reader_.byte();
            insn_.scale = sib >> 6;
            insn_.index = static_cast<u8>((sib >> 3 & 7) | prefixes_.rex_bit(1));
            if (insn_.index == 4)
                insn_.index = Instruction::no_register;
            rm = sib & 7;
            insn_.base = static_cast<u8>(rm | prefixes_.rex_bit(0));
            if (mod == 0 && rm == 5)
                insn_.base = Instruction::no_register;
        } else if (mod == 0 && rm == 5) {
            insn_.base = mode_ == CpuMode::bits64 ? Instruction::instruction_pointer : Instruction::no_register;
        }
        const bool has_long_displacement = mod == 2 || (mod == 0 && rm == 5);
        insn_.displacement = static_cast<i64>(reader_.number(has_long_displacement ? 4 : mod));
    }

    [[nodiscard]] SegmentName segment_or(SegmentName usual) const { return prefixes_.segment.value_or(usual); }

    /// What the columns of a row cannot say.
    bool specialize(const Row& row) {
        const unsigned digit = row.form == Form::mem_imm ? digit_ : opcode_ >> 3 & 7U;
        if (row.operation == ADD) {
            insn_.operation = static_cast<Operation>(digit);
            return !insn_.lock || insn_.operation != CMP;
        }
        if (row.operation == BT && row.form == Form::mem_reg)
            insn_.operation = static_cast<Operation>(static_cast<unsigned>(BT) + (digit & 3));
        if (row.operation == PAUSE)
            return prefixes_.rex_bit(0) == 0; // else an exchange with R8
        if (row.width == Width::extend_long)
            return mode_ == CpuMode::bits64 && insn_.operand_size != 2;
        if (row.form == Form::control_reg) {
            const bool control = (opcode_ & 1) == 0;
            return control ? insn_.reg <= 8 && (1U << insn_.reg & 0b1'0001'1101) != 0 : insn_.reg < 8;
        }
        if (row.operation == SMSW && insn_.form == Form::mem)
            insn_.operand_size = insn_.memory_size = 2;
        return true;
    }

    bool decode_immediate(const Row& row) {
        if (row.form == Form::port_imm)
            insn_.immediate = reader_.byte();
        else if (row.immediate == Immediate::sign_extended_byte)
            insn_.immediate = reader_.number(1);
        else if (row.immediate == Immediate::operand)
            insn_.immediate = reader_.number(std::min<unsigned>(insn_.operand_size, 4));
        return true;
    }

    ByteReader reader_;
    Prefixes prefixes_;
    CpuMode mode_;
    u16 opcode_ = 0;
    u8 digit_ = 0; // bits 5 to 3 of ModRM
    Instruction insn_;
};

} // namespace

Result<Instruction> decode(std::span<const u8> bytes, CpuMode mode) { return Decoder(bytes, mode).run(); }

u64 effective_offset(const Instruction& instruction, const Registers& registers, u64 rip) {
    u64 offset = static_cast<u64>(instruction.displacement);
    if (instruction.base == Instruction::instruction_pointer)
        offset += rip + instruction.length;
    else if (instruction.base != Instruction::no_register)
        offset += registers.gpr[instruction.base];
    if (instruction.index != Instruction::no_register)
        offset += registers.gpr[instruction.index] << instruction.scale;
    return instruction.address_size == 8 ? offset : offset & ((u64{1} << 8 * instruction.address_size) - 1);
}

} // namespace bulkhead
