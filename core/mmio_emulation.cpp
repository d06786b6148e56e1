// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "core/mmio_emulation.hpp"

#include "core/arithmetic.hpp"

namespace bulkhead {

namespace {

using Plan = std::expected<MmioPlan, EmulationResult>;

Plan not_emulable() { return std::unexpected(EmulationResult{EmulationResult::Kind::not_emulable}); }

/// Whether the destination keeps its value.
bool only_compares(Operation operation) {
    return operation == Operation::CMP || operation == Operation::TEST || operation == Operation::BT;
}

/// Where the instruction's memory operand begins in its segment.
u64 operand_offset(const DeviceAccess& access) {
    const Instruction& insn = access.instruction;
    u64 offset = effective_offset(insn, access.registers, access.rip);
    // A bit number in a register reaches beyond the operand, in steps of its size and both ways (SDM 2A, BT).
    if (insn.operation >= Operation::BT && insn.operation <= Operation::BTC && insn.form == Form::mem_reg) {
        const unsigned unused = 64 - 8 * insn.operand_size;
        const i64 number = static_cast<i64>(access.registers.gpr[insn.reg] << unused) >> unused;
        offset =
            (offset + (static_cast<u64>(number >> 3) & ~u64{insn.operand_size - 1U})) & size_mask(insn.address_size);
    }
    return offset;
}

/// What comes of a store there if the access that faulted was none; nothing: it is allowed. What loads first may fault
/// by that; what only stores cannot.
[[gnu::noinline]] std::optional<EmulationResult> refusal_of_store(const DeviceAccess& access, u64 offset, bool loads) {
    const Instruction& insn = access.instruction;
    const auto at = locate_operand(access.view, insn.segment, offset, insn.memory_size, {.write = true});
    if (loads && !at && at.error().kind != GuestFault::Kind::not_ram)
        return EmulationResult{EmulationResult::Kind::fault, at.error()};
    if (!loads || at || at.error().address != access.address.value)
        return not_emulable().error();
    return std::nullopt;
}

/// Whether both ends of an operand over the end of a page are no RAM. The CPU may have faulted on either page. Not for
/// BT and its like, whose operand may lie elsewhere.
bool is_absent(const DeviceAccess& access) {
    const Instruction& insn = access.instruction;
    const u64 offset = effective_offset(insn, access.registers, access.rip);
    for (const u64 byte : {offset, offset + insn.memory_size - 1}) {
        const auto at = translate(access.view.memory, access.view.paging,
                                  linear_address(access.view, insn.segment, byte), {.write = false});
        if (!at || !access.view.memory.ram(at->address, 1).empty())
            return false;
    }
    return insn.operation < Operation::BT || insn.operation > Operation::BTC;
}

Plan plan_operand(const DeviceAccess& access) {
    const Instruction& insn = access.instruction;
    const u64 offset = operand_offset(access);
    const u64 first = linear_address(access.view, insn.segment, offset) % page_size;
    MmioPlan plan{.size = insn.memory_size, .absent = first + insn.memory_size > page_size};
    if (insn.operation > Operation::NEG ||
        (plan.absent ? !is_absent(access) : first != access.address.value % page_size))
        return not_emulable();
    const bool memory_is_destination = insn.form != Form::reg_mem;
    plan.loads = !memory_is_destination || insn.operation != Operation::MOV;
    plan.stores = memory_is_destination && !only_compares(insn.operation);
    if (plan.stores && !access.write && !plan.absent)
        if (const auto refusal = refusal_of_store(access, offset, plan.loads))
            return std::unexpected(*refusal);
    return plan;
}

/// The RAM side of MOVS, if the given other side is the device. Empty if it is not.
std::expected<std::optional<RamOperand>, GuestFault> ram_side(const DeviceAccess& access, bool device_is_source) {
    const Instruction& insn = access.instruction;
    const SegmentName device_segment = device_is_source ? insn.segment : SegmentName::ES;
    const u8 device_register = device_is_source ? string_register::source : string_register::destination;
    const u8 ram_register = device_is_source ? string_register::destination : string_register::source;
    const u64 device_linear =
        linear_address(access.view, device_segment, string_offset(insn, access.registers, device_register));
    const auto device = translate(access.view.memory, access.view.paging, device_linear, {.write = !device_is_source});
    if (!device || device->address != access.address)
        return std::nullopt;
    const auto operand = locate_operand(access.view, device_is_source ? SegmentName::ES : insn.segment,
                                        string_offset(insn, access.registers, ram_register), insn.operand_size,
                                        {.write = device_is_source});
    if (!operand)
        return std::unexpected(operand.error());
    return *operand;
}

Plan plan_movs(const DeviceAccess& access) {
    for (const bool device_is_source : {true, false}) {
        const auto ram = ram_side(access, device_is_source);
        if (!ram && ram.error().kind == GuestFault::Kind::not_ram)
            return not_emulable();
        if (!ram)
            return std::unexpected(EmulationResult{EmulationResult::Kind::fault, ram.error()});
        if (*ram)
            return MmioPlan{access.instruction.memory_size, device_is_source, !device_is_source, false, *ram};
    }
    return not_emulable();
}

Plan plan_string(const DeviceAccess& access) {
    const Instruction& insn = access.instruction;
    if (repeat_is_over(insn, access.registers))
        return MmioPlan{};
    if (access.address.value % page_size + insn.memory_size > page_size)
        return not_emulable();
    if (insn.operation == Operation::MOVS)
        return plan_movs(access);
    if (insn.operation == Operation::STOS && access.write)
        return MmioPlan{.size = insn.memory_size, .stores = true};
    if (insn.operation == Operation::LODS)
        return MmioPlan{.size = insn.memory_size, .loads = true};
    return not_emulable();
}

/// The value of `reg`, AH to BH included.
u64 register_operand(const Instruction& insn, const Registers& registers) {
    return registers.gpr[insn.reg] >> (insn.reg_is_high_byte ? 8 : 0) & size_mask(insn.operand_size);
}

void set_register_operand(const Instruction& insn, Registers& registers, u64 value) {
    if (insn.reg_is_high_byte)
        registers.gpr[insn.reg] = (registers.gpr[insn.reg] & ~u64{0xff00}) | (value & 0xff) << 8;
    else
        write_register(registers, insn.reg, insn.operand_size, value);
}

u64 complete_string(const DeviceAccess& access, const MmioPlan& plan, u64 loaded) {
    if (access.instruction.operation == Operation::STOS)
        return read_register(access.registers, 0, plan.size);
    if (access.instruction.operation == Operation::LODS)
        write_register(access.registers, 0, plan.size, loaded);
    else if (plan.ram && plan.stores)
        return load(access.view.memory, *plan.ram);
    else if (plan.ram)
        store(access.view.memory, *plan.ram, loaded);
    return 0;
}

} // namespace

Plan plan_mmio(const DeviceAccess& access) {
    switch (access.instruction.form) {
    case Form::mem_reg:
    case Form::reg_mem:
    case Form::mem_imm:
    case Form::mem:
        return plan_operand(access);
    case Form::string:
        return plan_string(access);
    case Form::none:
    case Form::reg:
    case Form::control_reg:
    case Form::port_imm:
    case Form::port_dx:
        break;
    }
    return not_emulable();
}

u64 complete_mmio(const DeviceAccess& access, const MmioPlan& plan, u64 loaded) {
    const Instruction& insn = access.instruction;
    if (insn.form == Form::string)
        return complete_string(access, plan, loaded);
    const u64 source = insn.form == Form::mem_imm ? insn.immediate : register_operand(insn, access.registers);
    if (insn.operation == Operation::MOV && plan.stores)
        return source & size_mask(plan.size);
    if (insn.operation == Operation::MOV || insn.operation == Operation::MOVZX) {
        set_register_operand(insn, access.registers, loaded);
        return 0;
    }
    if (insn.operation == Operation::MOVSX) {
        const unsigned unused = 64 - 8 * plan.size;
        set_register_operand(insn, access.registers, static_cast<u64>(static_cast<i64>(loaded << unused) >> unused));
        return 0;
    }
    if (insn.operation == Operation::XCHG) {
        set_register_operand(insn, access.registers, loaded);
        return source;
    }
    const bool register_is_destination = insn.form == Form::reg_mem;
    const ArithmeticResult result = compute(insn.operation, register_is_destination ? source : loaded,
                                            register_is_destination ? loaded : source, plan.size, access.rflags);
    access.rflags = result.rflags;
    if (register_is_destination && !only_compares(insn.operation))
        set_register_operand(insn, access.registers, result.value);
    return result.value;
}

} // namespace bulkhead
