// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "guests/lib/hypercall.hpp"

#include <cstring>

#include "guests/lib/cpu.hpp"

namespace bulkhead::guest {
namespace {

constexpr u32 hypervisor_leaf = 0x40000000;

enum class Vendor { unknown, intel, amd };
Vendor vendor = Vendor::unknown;

} // namespace

u32 hypervisor_max_leaf() {
    const bool present = (cpuid(1).ecx >> 31) != 0;
    return present ? cpuid(hypervisor_leaf).eax : 0;
}

bool under_bulkhead() {
    if (hypervisor_max_leaf() == 0)
        return false;
    const CpuidResult leaf = cpuid(hypervisor_leaf);
    const u32 words[] = {leaf.ebx, leaf.ecx, leaf.edx};
    return std::memcmp(words, "BulkheadHV\0\0", sizeof words) == 0;
}

bool is_intel() {
    if (vendor == Vendor::unknown)
        vendor = cpuid(0).ecx == 0x6c65746e ? Vendor::intel : Vendor::amd; // "ntel" of GenuineIntel
    return vendor == Vendor::intel;
}

u64 hypercall(u64 number, u64 rbx, u64 rcx, u64 rdx) {
    u64 rax = number;
    if (is_intel())
        asm volatile("vmcall" : "+a"(rax) : "b"(rbx), "c"(rcx), "d"(rdx) : "memory");
    else
        asm volatile("vmmcall" : "+a"(rax) : "b"(rbx), "c"(rcx), "d"(rdx) : "memory");
    return rax;
}

u64 exit_count(u64 reason) { return hypercall(hypercall_exit_count, reason); }

} // namespace bulkhead::guest
