// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// The decoder against Zydis: what both decode must agree in every detail; what ours decodes, Zydis must; and what Zydis
// decodes as one of our instructions, ours must too.
#pragma once

#include <Zydis/Zydis.h>

#include <array>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "base/text.hpp"
#include "core/instruction_decoder.hpp"

namespace bulkhead::test {

using Code = std::array<u8, 15>;

struct DecoderName {
    ZydisMnemonic mnemonic;
    Operation operation;
};

#define SAME(name) {ZYDIS_MNEMONIC_##name, Operation::name}
inline constexpr DecoderName decoder_names[] = {
    SAME(ADD),
    SAME(OR),
    SAME(ADC),
    SAME(SBB),
    SAME(AND),
    SAME(SUB),
    SAME(XOR),
    SAME(CMP),
    SAME(BT),
    SAME(BTS),
    SAME(BTR),
    SAME(BTC),
    SAME(MOV),
    SAME(MOVZX),
    SAME(MOVSX),
    SAME(TEST),
    SAME(XCHG),
    SAME(INC),
    SAME(DEC),
    SAME(NOT),
    SAME(NEG),
    SAME(IN),
    SAME(OUT),
    SAME(CPUID),
    SAME(RDMSR),
    SAME(WRMSR),
    SAME(HLT),
    SAME(VMMCALL),
    SAME(VMCALL),
    SAME(XSETBV),
    SAME(INVD),
    SAME(WBINVD),
    SAME(RDTSC),
    SAME(RDTSCP),
    SAME(RDPMC),
    SAME(MONITOR),
    SAME(MWAIT),
    SAME(PAUSE),
    SAME(IRET),
    SAME(PUSHF),
    SAME(POPF),
    SAME(INVLPG),
    SAME(INVLPGA),
    SAME(CLTS),
    SAME(LMSW),
    SAME(SMSW),
    SAME(VMRUN),
    SAME(VMLOAD),
    SAME(VMSAVE),
    SAME(STGI),
    SAME(CLGI),
    SAME(SKINIT),
    {ZYDIS_MNEMONIC_MOVSXD, Operation::MOVSX},
    {ZYDIS_MNEMONIC_IRETD, Operation::IRET},
    {ZYDIS_MNEMONIC_IRETQ, Operation::IRET},
    {ZYDIS_MNEMONIC_PUSHFD, Operation::PUSHF},
    {ZYDIS_MNEMONIC_PUSHFQ, Operation::PUSHF},
    {ZYDIS_MNEMONIC_POPFD, Operation::POPF},
    {ZYDIS_MNEMONIC_POPFQ, Operation::POPF},
    {ZYDIS_MNEMONIC_MOVSB, Operation::MOVS},
    {ZYDIS_MNEMONIC_MOVSW, Operation::MOVS},
    {ZYDIS_MNEMONIC_MOVSD, Operation::MOVS},
    {ZYDIS_MNEMONIC_MOVSQ, Operation::MOVS},
    {ZYDIS_MNEMONIC_STOSB, Operation::STOS},
    {ZYDIS_MNEMONIC_STOSW, Operation::STOS},
    {ZYDIS_MNEMONIC_STOSD, Operation::STOS},
    {ZYDIS_MNEMONIC_STOSQ, Operation::STOS},
    {ZYDIS_MNEMONIC_LODSB, Operation::LODS},
    {ZYDIS_MNEMONIC_LODSW, Operation::LODS},
    {ZYDIS_MNEMONIC_LODSD, Operation::LODS},
    {ZYDIS_MNEMONIC_LODSQ, Operation::LODS},
    {ZYDIS_MNEMONIC_INSB, Operation::INS},
    {ZYDIS_MNEMONIC_INSW, Operation::INS},
    {ZYDIS_MNEMONIC_INSD, Operation::INS},
    {ZYDIS_MNEMONIC_OUTSB, Operation::OUTS},
    {ZYDIS_MNEMONIC_OUTSW, Operation::OUTS},
    {ZYDIS_MNEMONIC_OUTSD, Operation::OUTS},
};
#undef SAME

/// Zydis' view of one instruction.
struct Reference {
    ZydisDecodedInstruction instruction;
    ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];

    [[nodiscard]] std::optional<ZydisDecodedOperand> visible(ZydisOperandType type) const {
        for (unsigned i = 0; i < instruction.operand_count_visible; ++i)
            if (operands[i].type == type)
                return operands[i];
        return std::nullopt;
    }
    [[nodiscard]] std::optional<ZydisDecodedOperand> memory() const { return visible(ZYDIS_OPERAND_TYPE_MEMORY); }
};

inline bool is_data_operation(Operation operation) { return operation <= Operation::NEG; }

/// The operation, if it is one that our decoder promises to decode.
inline std::optional<Operation> wanted(const Reference& reference) {
    const ZydisDecodedInstruction& insn = reference.instruction;
    if (insn.encoding != ZYDIS_INSTRUCTION_ENCODING_LEGACY)
        return std::nullopt;
    for (const DecoderName& name : decoder_names) {
        if (name.mnemonic != insn.mnemonic)
            continue;
        if (insn.opcode_map == ZYDIS_OPCODE_MAP_0F && (insn.opcode & 0xfc) == 0x20 &&
            name.operation == Operation::MOV) {
            constexpr Operation moves[] = {Operation::MOV_FROM_CR, Operation::MOV_FROM_DR, Operation::MOV_TO_CR,
                                           Operation::MOV_TO_DR};
            return moves[insn.opcode & 3];
        }
        if (insn.mnemonic == ZYDIS_MNEMONIC_MOVSD && insn.opcode_map != ZYDIS_OPCODE_MAP_DEFAULT)
            continue; // the SSE instruction of that name
        if (name.operation == Operation::PAUSE && (insn.attributes & ZYDIS_ATTRIB_HAS_REX) != 0 && insn.raw.rex.B != 0)
            return std::nullopt; // an exchange with R8 to CPUs
        if (!is_data_operation(name.operation))
            return name.operation;
        const bool default_map = insn.opcode_map == ZYDIS_OPCODE_MAP_DEFAULT;
        const bool segment_move = default_map && (insn.opcode == 0x8c || insn.opcode == 0x8e);
        const bool alias =
            default_map && (insn.opcode == 0x82 || ((insn.opcode & 0xfe) == 0xf6 && insn.raw.modrm.reg == 1));
        const bool short_movsxd = insn.mnemonic == ZYDIS_MNEMONIC_MOVSXD && insn.operand_width == 16;
        if (!reference.memory() || segment_move || alias || short_movsxd)
            return std::nullopt;
        return name.operation;
    }
    return std::nullopt;
}

inline u64 low_bytes(u64 value, unsigned bytes) { return bytes >= 8 ? value : value & ((u64{1} << 8 * bytes) - 1); }

inline std::string compare_register(const Instruction& ours, const ZydisDecodedOperand& theirs) {
    const ZydisRegister reg = theirs.reg.value;
    const bool high = reg >= ZYDIS_REGISTER_AH && reg <= ZYDIS_REGISTER_BH;
    const unsigned number = high ? reg - ZYDIS_REGISTER_AH : static_cast<unsigned>(ZydisRegisterGetId(reg));
    // The identity of SPL to DIL and R8B to R15B counts the four high bytes.
    const bool after_high = ZydisRegisterGetClass(reg) == ZYDIS_REGCLASS_GPR8 && reg > ZYDIS_REGISTER_BH;
    if (ours.reg_is_high_byte != high || ours.reg != number - (after_high ? 4 : 0))
        return "register";
    return ours.operand_size * 8 == theirs.size ? "" : "size of the register";
}

inline u8 general_register(ZydisRegister reg) {
    if (reg == ZYDIS_REGISTER_NONE)
        return Instruction::no_register;
    if (reg == ZYDIS_REGISTER_RIP || reg == ZYDIS_REGISTER_EIP)
        return Instruction::instruction_pointer;
    return static_cast<u8>(ZydisRegisterGetId(reg));
}

/// In 64-bit mode the bases of ES, CS, SS and DS are 0, so these four need not be told apart.
inline SegmentName effective_segment(SegmentName name, CpuMode mode) {
    return mode == CpuMode::bits64 && name < SegmentName::FS ? SegmentName::DS : name;
}

inline std::string compare_memory(const Instruction& ours, const ZydisDecodedOperand& theirs, CpuMode mode) {
    const auto segment = static_cast<SegmentName>(theirs.mem.segment - ZYDIS_REGISTER_ES);
    if (effective_segment(ours.segment, mode) != effective_segment(segment, mode))
        return "segment";
    if (ours.operation != Operation::INVLPG && ours.memory_size * 8 != theirs.size)
        return "size of memory";
    if (ours.form == Form::string)
        return "";
    // Under both 67 and REX.B, Zydis 4.0 sees R13D and no displacement where a SIB has a displacement and no base. GNU
    // binutils and SDM 2A 2.2.1.2 disagree with it.
    const u8 base = general_register(theirs.mem.base);
    if (mode == CpuMode::bits64 && ours.address_size == 4 && ours.base == Instruction::no_register && base == 13)
        return "";
    if (ours.base != base || ours.index != general_register(theirs.mem.index))
        return "base or index";
    if (ours.index != Instruction::no_register && 1 << ours.scale != theirs.mem.scale)
        return "scale";
    if (low_bytes(static_cast<u64>(ours.displacement), ours.address_size) !=
        low_bytes(static_cast<u64>(theirs.mem.disp.value), ours.address_size))
        return "displacement";
    return "";
}

inline std::string compare_order(const Instruction& ours, const Reference& theirs) {
    const bool memory_first = theirs.operands[0].type == ZYDIS_OPERAND_TYPE_MEMORY;
    return memory_first == (ours.form == Form::reg_mem) ? "order of operands" : "";
}

inline std::string compare_string(const Instruction& ours, const Reference& theirs, CpuMode mode) {
    const auto repeats = ZYDIS_ATTRIB_HAS_REP | ZYDIS_ATTRIB_HAS_REPE;
    const bool repeat = (theirs.instruction.attributes & repeats) != 0;
    // Zydis does not count F2 before those that have no REPNE form; CPUs repeat.
    if (repeat && !ours.repeat)
        return "repeat";
    for (unsigned i = 0; i < theirs.instruction.operand_count; ++i) {
        const ZydisDecodedOperand& operand = theirs.operands[i];
        if (operand.type == ZYDIS_OPERAND_TYPE_MEMORY && general_register(operand.mem.base) == 6)
            return compare_memory(ours, operand, mode);
        if (operand.type == ZYDIS_OPERAND_TYPE_MEMORY && operand.size != ours.memory_size * 8)
            return "size of the element";
    }
    return "";
}

inline std::string compare_control(const Instruction& ours, const Reference& theirs) {
    const bool to = ours.operation == Operation::MOV_TO_CR || ours.operation == Operation::MOV_TO_DR;
    const ZydisDecodedOperand& special = theirs.operands[to ? 0 : 1];
    const ZydisDecodedOperand& general = theirs.operands[to ? 1 : 0];
    if (ours.reg != ZydisRegisterGetId(special.reg.value))
        return "control register";
    if (ours.rm != general_register(general.reg.value) || ours.operand_size * 8 != general.size)
        return "general register";
    return "";
}

inline std::string compare_port(const Instruction& ours, const Reference& theirs) {
    const unsigned accumulator = ours.operation == Operation::IN ? 0 : 1;
    if (theirs.operands[accumulator].size != ours.operand_size * 8)
        return "size of port access";
    const bool immediate = theirs.operands[1 - accumulator].type == ZYDIS_OPERAND_TYPE_IMMEDIATE;
    if (immediate != (ours.form == Form::port_imm))
        return "port";
    return immediate && ours.immediate != theirs.operands[1 - accumulator].imm.value.u ? "number of the port" : "";
}

inline std::string compare_operands(const Instruction& ours, const Reference& theirs, CpuMode mode) {
    switch (ours.form) {
    case Form::none:
        return ours.operand_size != 0 && ours.operand_size * 8 != theirs.instruction.operand_width ? "operand size"
                                                                                                   : "";
    case Form::string:
        return compare_string(ours, theirs, mode);
    case Form::control_reg:
        return compare_control(ours, theirs);
    case Form::port_imm:
    case Form::port_dx:
        return compare_port(ours, theirs);
    case Form::reg:
        return compare_register(ours, theirs.operands[0]);
    case Form::mem:
    case Form::mem_reg:
    case Form::reg_mem:
    case Form::mem_imm:
        break;
    }
    const auto memory = theirs.memory();
    if (!memory)
        return "no memory operand";
    if (const std::string difference = compare_memory(ours, *memory, mode); !difference.empty())
        return difference;
    const auto immediate = theirs.visible(ZYDIS_OPERAND_TYPE_IMMEDIATE);
    if (immediate.has_value() != (ours.form == Form::mem_imm))
        return "immediate";
    const bool bit_number = ours.operation >= Operation::BT && ours.operation <= Operation::BTC; // sign is irrelevant
    const unsigned bytes = bit_number ? 1 : ours.operand_size;
    if (immediate && low_bytes(immediate->imm.value.u, bytes) != low_bytes(ours.immediate, bytes))
        return "immediate's value";
    if (ours.form != Form::mem_reg && ours.form != Form::reg_mem)
        return "";
    const auto reg = theirs.visible(ZYDIS_OPERAND_TYPE_REGISTER);
    if (!reg)
        return "no register operand";
    const std::string difference = compare_register(ours, *reg);
    return difference.empty() ? compare_order(ours, theirs) : difference;
}

class DecoderComparison {
public:
    explicit DecoderComparison(CpuMode mode) : mode_(mode) {
        const ZydisMachineMode machine = mode == CpuMode::bits64   ? ZYDIS_MACHINE_MODE_LONG_64
                                         : mode == CpuMode::bits32 ? ZYDIS_MACHINE_MODE_LEGACY_32
                                                                   : ZYDIS_MACHINE_MODE_LEGACY_16;
        const ZydisStackWidth stack = mode == CpuMode::bits64   ? ZYDIS_STACK_WIDTH_64
                                      : mode == CpuMode::bits32 ? ZYDIS_STACK_WIDTH_32
                                                                : ZYDIS_STACK_WIDTH_16;
        if (!ZYAN_SUCCESS(ZydisDecoderInit(&decoder_, machine, stack)))
            throw std::runtime_error("ZydisDecoderInit");
    }

    void check(const Code& bytes) {
        ++count;
        const std::string difference = compare(bytes);
        if (!difference.empty() && failures.size() < 20)
            failures.push_back(describe(bytes) + difference);
    }

    u64 count = 0;
    u64 accepted = 0;
    std::vector<std::string> failures;

private:
    std::string compare(const Code& bytes) {
        Reference theirs;
        const Result<Instruction> ours = decode(bytes, mode_);
        const bool valid = ZYAN_SUCCESS(
            ZydisDecoderDecodeFull(&decoder_, bytes.data(), bytes.size(), &theirs.instruction, theirs.operands));
        const std::optional<Operation> operation = valid ? wanted(theirs) : std::nullopt;
        if (!ours)
            return operation ? std::string("refused: ") + ZydisMnemonicGetString(theirs.instruction.mnemonic) : "";
        if (!operation)
            return "accepted: " +
                   (valid ? std::string(ZydisMnemonicGetString(theirs.instruction.mnemonic)) : "invalid");
        ++accepted;
        if (ours->length != theirs.instruction.length)
            return "length";
        // Zydis 4.0 does not know WBNOINVD, whose F3 older CPUs ignore.
        if ((ours->operation == Operation::WBNOINVD ? Operation::WBINVD : ours->operation) != *operation)
            return std::string("operation: ") + ZydisMnemonicGetString(theirs.instruction.mnemonic);
        if (ours->address_size * 8 != theirs.instruction.address_width)
            return "address size";
        if (ours->lock != ((theirs.instruction.attributes & ZYDIS_ATTRIB_HAS_LOCK) != 0))
            return "lock";
        const Result<Instruction> cut = decode(std::span(bytes).first(ours->length - 1U), mode_);
        if (cut || cut.error().what != instruction_truncated)
            return "one byte less is not reported as truncated";
        return compare_operands(*ours, theirs, mode_);
    }

    [[nodiscard]] std::string describe(const Code& bytes) const {
        Line<128> line;
        line << (mode_ == CpuMode::bits64 ? "64:" : mode_ == CpuMode::bits32 ? "32:" : "16:");
        for (const u8 byte : bytes)
            line << ' ' << "0123456789abcdef"[byte >> 4] << "0123456789abcdef"[byte & 15];
        line << "  ";
        return std::string(line.view());
    }

    CpuMode mode_;
    ZydisDecoder decoder_{};
};

} // namespace bulkhead::test
