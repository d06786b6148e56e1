// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "core/instruction_fetch.hpp"

#include <algorithm>

#include "core/instruction_decoder.hpp"

namespace bulkhead {

FetchedCode fetch_instruction(const GuestMemory& memory, const PagingState& paging, const CodeLocation& code,
                              unsigned wanted) {
    FetchedCode fetched;
    wanted = std::min(wanted, longest_instruction);
    while (fetched.size < wanted) {
        u64 linear = code.cs_base + code.rip + fetched.size;
        if (code.mode != CpuMode::bits64)
            linear &= 0xffff'ffff;
        const auto page = translate(memory, paging, linear, {.fetch = true});
        if (!page) {
            fetched.fault = page.error();
            break;
        }
        const u64 size = std::min<u64>(wanted - fetched.size, page->remaining);
        if (!memory.copy_out(page->address, std::span(fetched.bytes).subspan(fetched.size, size))) {
            fetched.fault = GuestFault{GuestFault::Kind::not_ram, 0, page->address.value};
            break;
        }
        fetched.size = static_cast<u8>(fetched.size + size);
    }
    return fetched;
}

FetchedCode fetch_instruction_fast(const GuestMemory& memory, u64 cr3, u64 rip) {
    FetchedCode fetched;
    if (rip % page_size > page_size - longest_instruction)
        return fetched;
    const u64 address = translate_code_fast(memory, cr3, rip);
    if (address != 0 && memory.copy_out(GuestPhysical{address}, fetched.bytes))
        fetched.size = longest_instruction;
    return fetched;
}

Result<unsigned> instruction_length(const GuestMemory& memory, const PagingState& paging, const CodeLocation& code,
                                    Operation expected) {
    const FetchedCode fetched = fetch_instruction(memory, paging, code);
    const Result<Instruction> instruction = decode(fetched.span(), code.mode);
    if (instruction)
        return instruction->operation == expected ? instruction->length : 0U;
    if (fetched.fault && fetched.fault->kind == GuestFault::Kind::not_ram)
        return fail("guest executes code outside of its RAM", fetched.fault->address);
    return 0U;
}

} // namespace bulkhead
