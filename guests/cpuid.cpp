// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include <array>
#include <cstring>

#include "guests/lib/guest.hpp"
#include "guests/lib/hypercall.hpp"
#include "guests/lib/traps.hpp"

// What CPUID says is the guest's own machine, not the host's; and the instruction works in every form and mode: with
// prefixes, across a page boundary, in compatibility mode and in user mode, with RIP behind it afterwards.
namespace bulkhead::guest {

constexpr std::string_view name = GUEST_NAME;

namespace {

bool bit(u32 value, unsigned number) { return (value >> number & 1) != 0; }

void check_signature(u32 leaf, const char (&text)[13]) {
    const CpuidResult r = cpuid(leaf);
    const u32 words[] = {r.ebx, r.ecx, r.edx};
    check(std::memcmp(words, text, sizeof words) == 0, "leaf ", Hex{leaf}, " is not ", std::string_view(text, 12));
}

void check_hypervisor_leaves() {
    check(bit(cpuid(1).ecx, 31), "the hypervisor bit");
    check_signature(0x40000000, "BulkheadHV\0\0");
    check(cpuid(0x40000000).eax >= 0x40000010, "highest hypervisor leaf");
    check(cpuid(0x40000010).eax > 10'000, "TSC kHz: ", cpuid(0x40000010).eax);
    check(cpuid(0x40000010).ebx > 1'000, "APIC bus kHz: ", cpuid(0x40000010).ebx);
    check_signature(0x40000100, "KVMKVMKVM\0\0\0");
    constexpr u32 clock = 1 << 3 | 1 << 24;  // CLOCKSOURCE2, CLOCKSOURCE_STABLE_BIT
    constexpr u32 others = 1 << 1 | 1 << 15; // NOP_IO_DELAY, MSI_EXT_DEST_ID
    check_equal(cpuid(0x40000101).eax & ~others, clock, "KVM features beside NOP_IO_DELAY and MSI_EXT_DEST_ID");
}

void check_hidden_features() {
    const CpuidResult one = cpuid(1);
    check(bit(one.ecx, 21), "x2APIC is there");
    check(!bit(one.ecx, 5) && !bit(cpuid(0x80000001).ecx, 2), "neither VMX nor SVM is there");
    check(!bit(one.ecx, 3), "MONITOR is hidden");
    check(!bit(one.ecx, 15), "PDCM is hidden");
    check_equal(cpuid(6).eax & ~u32{1 << 2}, 0, "leaf 6 has ARAT at most");
    check_equal(cpuid(6).ecx, 0, "no APERF and MPERF");
    check_equal(cpuid(0xa).eax & 0xff, 0, "no performance counters");
    check(!bit(cpuid(0xd, 1).eax, 3), "no XSAVES");
    if (bit(one.ecx, 26)) {
        const u64 before = read_cr4();
        write_cr4(before | u64{1} << 18);
        check(bit(cpuid(1).ecx, 27), "OSXSAVE follows CR4 when set");
        write_cr4(before & ~(u64{1} << 18));
        check(!bit(cpuid(1).ecx, 27), "OSXSAVE follows CR4 when cleared");
    }
}

void check_topology() {
    const CpuidResult one = cpuid(1);
    check_equal(one.ebx >> 24, 0, "APIC ID");
    check(!bit(one.edx, 28) || (one.ebx >> 16 & 0xff) == 1, "logical processors: ", one.ebx >> 16 & 0xff);
    if (cpuid(0).eax < 0xb)
        return;
    check_equal(cpuid(0xb, 0).edx, 0, "x2APIC ID");
    for (u32 level = 0; level < 2; ++level)
        check(cpuid(0xb, level).ebx <= 1, "logical processors at level ", level, ": ", cpuid(0xb, level).ebx);
}

struct CpuidForm {
    std::string_view what;
    std::array<u8, 15> bytes;
    u8 size;
    bool only64;
};

constexpr CpuidForm forms[] = {
    {"plain", {0x0f, 0xa2}, 2, false},
    {"66", {0x66, 0x0f, 0xa2}, 3, false},
    {"67", {0x67, 0x0f, 0xa2}, 3, false},
    {"f2", {0xf2, 0x0f, 0xa2}, 3, false},
    {"f3", {0xf3, 0x0f, 0xa2}, 3, false},
    {"2e", {0x2e, 0x0f, 0xa2}, 3, false},
    {"66 66 66", {0x66, 0x66, 0x66, 0x0f, 0xa2}, 5, false},
    {"66 f2 2e 67", {0x66, 0xf2, 0x2e, 0x67, 0x0f, 0xa2}, 6, false},
    {"rex.w", {0x48, 0x0f, 0xa2}, 3, true},
    {"66 rex.wrxb", {0x66, 0x4f, 0x0f, 0xa2}, 4, true},
    {"rex.w 66, the rex void", {0x48, 0x66, 0x0f, 0xa2}, 4, true},
    {"13 prefixes",
     {0x66, 0xf2, 0x66, 0x2e, 0x3e, 0x67, 0x66, 0xf3, 0x66, 0x67, 0x26, 0x36, 0x66, 0x0f, 0xa2},
     15,
     false},
};

constexpr std::array mode_names{"kernel, 64 bits", "kernel, 32 bits", "user, 64 bits", "user, 32 bits"};

void check_form(const CpuidForm& form, Mode mode, u32 leaf, u64 offset) {
    const bool wide = mode == Mode::kernel64 || mode == Mode::user64;
    if (form.only64 && !wide)
        return;
    const CpuidResult expected = cpuid(leaf);
    const u64 garbage = wide ? 0xdead'beef'0000'0000 : 0;
    const Frame r = run_code(std::span(form.bytes).first(form.size), mode,
                             {.rdx = ~u64{0}, .rcx = garbage, .rbx = ~u64{0}, .rax = garbage | leaf}, offset);
    const u64 mask = wide ? ~u64{0} : 0xffff'ffff;
    const auto which = static_cast<std::size_t>(mode);
    check(r.vector == returned, form.what, ", ", mode_names[which], ", at ", Hex{offset}, ": vector ", r.vector);
    check(r.vector != returned || r.rip == code_address(offset) + form.size + 2, form.what, ", ", mode_names[which],
          ", at ", Hex{offset}, ": goes on at ", Hex{r.rip});
    check((r.rax & mask) == expected.eax && (r.rbx & mask) == expected.ebx && (r.rcx & mask) == expected.ecx &&
              (r.rdx & mask) == expected.edx,
          form.what, ", ", mode_names[which], ", at ", Hex{offset}, ": wrong result for leaf ", Hex{leaf});
}

} // namespace

void run() {
    check_hypervisor_leaves();
    check_hidden_features();
    check_topology();
    for (const Mode mode : {Mode::kernel64, Mode::kernel32, Mode::user64, Mode::user32})
        for (const CpuidForm& form : forms) {
            check_form(form, mode, 0, 0x100);
            check_form(form, mode, 0x80000002, 0x101);
            for (u64 before_page_end = 1; before_page_end < form.size; ++before_page_end)
                check_form(form, mode, 0, 4096 - before_page_end);
            check_form(form, mode, 0, 4096u - form.size);
        }
}

} // namespace bulkhead::guest
