// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// Any page tables and any address: the short ways to code agree with the long one, and nothing but RAM is read.
#include "core/instruction_fetch.hpp"
#include "fuzz/emulated_machine.hpp"

namespace bulkhead {
namespace {

using fuzz::require;

/// The fast walk knows four-level tables and checks no permissions, which the CPU did: no user, no NX.
void compare_walks(const fuzz::EmulatedMachine& machine, u64 linear) {
    linear = static_cast<u64>(static_cast<i64>(linear << 16) >> 16); // RIP is canonical
    const u64 fast = translate_code_fast(machine.memory, machine.view.paging.cr3, linear);
    if (fast == 0)
        return;
    require(machine.memory.contains({fast}, 4), "code outside of RAM");
    const PagingState paging{cr0::PE | cr0::PG, machine.view.paging.cr3, cr4::PAE, efer::LMA | efer::NXE, 0, 0};
    const auto slow = translate(machine.memory, paging, linear, {.fetch = true});
    if (slow)
        require(slow->address.value == fast && slow->remaining >= 4, "two walks lead to two places");
    else
        require(slow.error().kind == GuestFault::Kind::page_fault, "a fast way where the long one finds no RAM");
}

void fetch(const fuzz::EmulatedMachine& machine, u64 linear) {
    const CodeLocation code{.rip = linear, .cs_base = 0, .mode = machine.view.mode};
    const FetchedCode bytes = fetch_instruction(machine.memory, machine.view.paging, code);
    require(bytes.size == longest_instruction || bytes.fault.has_value(), "fewer bytes, and no fault");
    for (const Operation operation : {Operation::CPUID, Operation::HLT, Operation::VMCALL})
        if (const auto length = instruction_length(machine.memory, machine.view.paging, code, operation))
            require(*length <= longest_instruction, "a length that no instruction has");
    const FetchedCode fast = fetch_instruction_fast(machine.memory, machine.view.paging.cr3, linear);
    require(fast.size == 0 || fast.size == longest_instruction, "a part of the bytes");
    const unsigned length = instruction_length_fast(machine.memory, machine.view.paging.cr3, linear, intercepted_cpuid);
    require(length == 0 || length == intercepted_cpuid.length, "a length of CPUID");
}

} // namespace

void fuzz::try_input(Bytes input) {
    Reader reader(input);
    EmulatedMachine machine(reader);
    const u64 linear = (reader.take<u8>() & 1) != 0 ? reader.take<u64>() : EmulatedMachine::address(reader);
    machine.ram.put<u32>(0x20'0ffc, reader.take<u32>()); // code, at the end of a page
    machine.ram.put<u64>(0x30'0000, reader.take<u64>());
    for (const Access access : {Access{}, Access{.write = true}, Access{.fetch = true}})
        if (const auto found = translate(machine.memory, machine.view.paging, linear, access))
            require(found->remaining != 0 && found->remaining <= GiB, "a page of an odd size");
    for (const u8 size : {u8{1}, u8{2}, u8{4}, u8{8}})
        if (const auto operand = locate_operand(machine.view, SegmentName::DS, linear, size, {.write = true})) {
            require(operand->size == size && operand->first_size <= size, "an operand of another size");
            store(machine.memory, *operand, 0x1122'3344'5566'7788);
            const bool one_page = operand->first_size == size;
            require(!one_page || load(machine.memory, *operand) == (0x1122'3344'5566'7788 & size_mask(size)),
                    "another value than was stored");
        }
    machine.ram.put<u32>(0x20'0ffc, 0xa2'0f);
    compare_walks(machine, linear);
    fetch(machine, linear);
}

std::vector<fuzz::Seed> fuzz::seeds() {
    std::vector<Seed> seeds;
    for (const u8 mode : {u8{0}, u8{1}, u8{0x81}})
        for (const u8 paging : {u8{0}, u8{4}, u8{0x40}, u8{0xb1}}) {
            Writer seed;
            seed.number(mode, 1).number(paging, 1).number(0, 1);
            for (int segment = 0; segment < 6; ++segment)
                seed.number(0, 8).number(0, 2);
            for (int reg = 0; reg < 16; ++reg)
                seed.number(1, 2);
            seed.number(1, 1).number(0x3000, 2).number(0x20'0007, 8).number(0, 1).number(0xffc << 3 | 3, 2);
            seeds.push_back(seed.number(0x1234'a20f, 4).number(0, 8).seed());
        }
    return seeds;
}

} // namespace bulkhead
