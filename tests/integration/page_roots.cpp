// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "integration/page_roots.hpp"

#include <cstring>

#include "arch/x86_64/layout.hpp"
#include "tools/failure.hpp"
#include "vmx/vmcs.hpp"

namespace bulkhead::integration {
namespace {

constexpr u64 address_bits = 0x000f'ffff'ffff'f000;

bool is_in_image(u64 address) { return address >= layout::image && address < layout::per_cpu; }

/// A CPU's page for the host's state, which QEMU's VMRUN fills as a VMCB's save area (APM 2 Appendix B): its RIP is the
/// hypervisor's, its RSP on the CPU's own stack.
bool is_host_save_area(std::span<const u8> memory, u64 page) {
    constexpr u64 rip = 0x578, rsp = 0x5d8;
    const u64 stack = word_at(memory, page + rsp);
    return is_in_image(word_at(memory, page + rip)) && stack > layout::per_cpu_stack &&
           stack <= layout::per_cpu_stack + layout::per_cpu_stack_size;
}

constexpr u64 nested_cr3 = 0xb0;

/// A VMCB (APM 2 Appendix B) with a second stage: nested paging on, an ASID, SVME in the guest's EFER.
bool is_vmcb(std::span<const u8> memory, u64 page) {
    constexpr u64 asid = 0x58, nested_control = 0x90, efer = 0x4d0, svme = 1 << 12;
    const u64 root = word_at(memory, page + nested_cr3);
    return (word_at(memory, page + asid) & 0xffff'ffff) != 0 && word_at(memory, page + nested_control) == 1 &&
           (word_at(memory, page + efer) & svme) != 0 && root != 0 && root % page_size == 0 && root < memory.size();
}

/// Where Bochs has a field (its vmcs.cpp): four classes of each width, in the order of widths, and in each class four
/// bytes for each number that a field may have. A field of 64 bits has two numbers.
constexpr u64 offset_of(vmx::Field field) {
    constexpr u64 first = 0x10, numbers[]{0x20, 0x50, 0x30, 0x30};
    const u64 encoding = static_cast<u64>(field), width = encoding >> 13 & 3, field_class = encoding >> 10 & 3;
    u64 offset = first;
    for (u64 narrower = 0; narrower < width; ++narrower)
        offset += 4 * 4 * numbers[narrower];
    return offset + 4 * numbers[width] * field_class + 4 * (encoding & 0x3ff);
}

/// Bochs' revision, and an exit leads into the hypervisor.
bool is_vmcs(std::span<const u8> memory, u64 page) {
    constexpr u64 revision = 0x2b;
    return (word_at(memory, page) & 0xffff'ffff) == revision &&
           is_in_image(word_at(memory, page + offset_of(vmx::Field::HOST_RIP)));
}

} // namespace

u64 word_at(std::span<const u8> memory, u64 address) {
    u64 word = 0;
    if (address > memory.size() - sizeof word)
        throw tools::Failure("a page table is where there is no RAM");
    std::memcpy(&word, &memory[address], sizeof word);
    return word;
}

PageRoots roots_in_vmcbs(std::span<const u8> memory) {
    constexpr u64 host_cr3 = 0x550;
    PageRoots roots{.hosts = {}, .second_stages = {}, .present_in_second_stage = 1};
    for (u64 page = 0; page + page_size <= memory.size(); page += page_size) {
        if (is_host_save_area(memory, page))
            roots.hosts.insert(word_at(memory, page + host_cr3) & address_bits);
        if (is_vmcb(memory, page))
            roots.second_stages.insert(word_at(memory, page + nested_cr3));
    }
    return roots;
}

PageRoots roots_in_vmcss(std::span<const u8> memory) {
    // Read, write or execute (SDM 3C 29.3.2).
    PageRoots roots{.hosts = {}, .second_stages = {}, .present_in_second_stage = 7};
    for (u64 page = 0; page + page_size <= memory.size(); page += page_size) {
        if (!is_vmcs(memory, page))
            continue;
        roots.hosts.insert(word_at(memory, page + offset_of(vmx::Field::HOST_CR3)) & address_bits);
        roots.second_stages.insert(word_at(memory, page + offset_of(vmx::Field::EPT_POINTER)) & address_bits);
    }
    roots.second_stages.erase(0); // of a CPU that has no guest
    return roots;
}

} // namespace bulkhead::integration
