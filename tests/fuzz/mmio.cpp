// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// Any instruction on any registers and page tables: a device sees accesses only where the fault was, and what is not
// emulated leaves no trace.
#include "core/control_access.hpp"
#include "core/instruction_decoder.hpp"
#include "core/mmio_emulation.hpp"
#include "core/string_io.hpp"
#include "fuzz/emulated_machine.hpp"

namespace bulkhead {
namespace {

using fuzz::require;
using Kind = EmulationResult::Kind;

constexpr u64 arithmetic_flags = rflags::CF | rflags::PF | rflags::AF | rflags::ZF | rflags::SF | rflags::OF;

struct Device {
    u64 at;
    u64 answer;
    unsigned reads = 0, writes = 0;

    void check(GuestPhysical address, unsigned size) const {
        require(size == 1 || size == 2 || size == 4 || size == 8, "an access of an odd size");
        require(address.value == at, "an access to another place than the fault was at");
        require(at % page_size + size <= page_size, "an access over the end of a page");
    }
    u64 read(GuestPhysical address, unsigned size) {
        check(address, size);
        require(++reads == 1 && writes == 0, "a second read");
        return answer;
    }
    void write(GuestPhysical address, unsigned size, u64 value) {
        check(address, size);
        require(++writes == 1, "a second write");
        require((value & ~size_mask(size)) == 0, "more bits than the access has");
    }
};

struct Ports {
    u64 accesses = 0;
    u32 read(u16, unsigned size) {
        count(size);
        return 0xffff'ffff;
    }
    void write(u16, unsigned size, u32) { count(size); }
    void count(unsigned size) {
        require(size == 1 || size == 2 || size == 4, "a port access of an odd size");
        require(++accesses <= string_io_elements, "more elements than are allowed at a time");
    }
};

bool same(const Registers& a, const Registers& b) { return std::ranges::equal(a.gpr, b.gpr); }

/// Where the instruction's operand is, if that can be told; what the CPU would report.
u64 fault_address(const fuzz::EmulatedMachine& machine, const Instruction& instruction, u64 rip, u64 otherwise) {
    const u64 offset = instruction.form == Form::string
                           ? string_offset(instruction, machine.registers,
                                           instruction.operation == Operation::LODS ? string_register::source
                                                                                    : string_register::destination)
                           : effective_offset(instruction, machine.registers, rip);
    const u64 linear = linear_address(machine.view, instruction.segment, offset);
    const auto found = translate(machine.memory, machine.view.paging, linear, {});
    return found ? found->address.value : otherwise;
}

void try_mmio(fuzz::EmulatedMachine machine, const Instruction& instruction, u64 rip, u64 fault) {
    Device device{fault, 0x8877'6655'4433'2211};
    const Registers before = machine.registers;
    const u64 flags = machine.rflags;
    const EmulationResult result =
        emulate_mmio(DeviceAccess{instruction, machine.view, machine.registers, machine.rflags, rip, {fault}}, device);
    require(((machine.rflags ^ flags) & ~arithmetic_flags) == 0, "flags that no such instruction changes");
    switch (result.kind) {
    case Kind::again:
        require(instruction.repeat && instruction.form == Form::string, "again what does not repeat");
        break;
    case Kind::advance:
        break;
    case Kind::fault:
    case Kind::not_emulable:
        require(device.reads + device.writes == 0, "an access of what is not emulated");
        require(same(before, machine.registers) && machine.rflags == flags, "a trace of what is not emulated");
        break;
    }
}

void try_string_io(fuzz::EmulatedMachine machine, const Instruction& instruction) {
    Ports ports;
    const Registers before = machine.registers;
    const EmulationResult result =
        emulate_string_io(instruction, machine.view, machine.registers, machine.rflags, ports, 4);
    require(result.kind != Kind::again || instruction.repeat, "again what does not repeat");
    if (result.kind == Kind::not_emulable)
        require(ports.accesses == 0 && same(before, machine.registers), "a trace of what is not emulated");
    require(machine.registers.rdx() == before.rdx() && machine.registers.rax() == before.rax(), "another register");
}

} // namespace

void fuzz::try_input(Bytes input) {
    Reader reader(input);
    const EmulatedMachine machine(reader);
    const u64 rip = EmulatedMachine::address(reader);
    const u64 otherwise = EmulatedMachine::address(reader);
    const u64 word = reader.take<u16>();
    const auto instruction = decode(reader.rest(), machine.view.mode);
    if (!instruction)
        return;
    try_mmio(machine, *instruction, rip, fault_address(machine, *instruction, rip, otherwise));
    try_mmio(machine, *instruction, rip, otherwise);
    try_string_io(machine, *instruction);
    const ControlAccess access =
        decode_control_access(*instruction, {.cr0 = machine.view.paging.cr0}, {}, machine.registers, word);
    require(access.reg < Registers::count, "a register that there is not");
}

std::vector<fuzz::Seed> fuzz::seeds() {
    const std::vector<u8> codes[] = {{0x89, 0x03},
                                     {0x8b, 0x43, 0x10},
                                     {0xf0, 0xff, 0x03},
                                     {0x0f, 0xab, 0x0b},
                                     {0xf3, 0x48, 0xa5},
                                     {0xaa},
                                     {0xac},
                                     {0xf3, 0x6c},
                                     {0xf3, 0x66, 0x6f},
                                     {0x0f, 0xb6, 0x03},
                                     {0x83, 0x3b, 0x05},
                                     {0x0f, 0x22, 0xe0},
                                     {0x65, 0x8b, 0x43, 0x20},
                                     {0x40, 0x8a, 0x23},
                                     {0x87, 0x03},
                                     {0x48, 0x63, 0x03},
                                     {0x0f, 0x01, 0x33},
                                     {0xa2, 0, 0, 0, 0x90},
                                     {0x83, 0x0b, 0x10}};
    std::vector<Seed> seeds;
    for (const u8 mode : {u8{0}, u8{1}, u8{2}})
        for (const std::vector<u8>& code : codes) {
            Writer seed;
            seed.number(mode, 1).number(mode == 0 ? 0 : 2, 1).number(0, 1); // without paging but in 64-bit mode
            for (int segment = 0; segment < 6; ++segment)
                seed.number(0, 8).number(0, 2);
            for (int reg = 0; reg < 16; ++reg)
                seed.number(reg == 1 ? 5 << 3 : reg == 6 ? 2 : 1, 2);
            seed.number(0, 1).number(0x1000, 2).number(1, 2).number(0, 2).bytes(code);
            seeds.push_back(seed.seed());
        }
    return seeds;
}

} // namespace bulkhead
