// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "vmx/guest_state.hpp"

#include <algorithm>

#include "arch/x86_64/control_bits.hpp"

namespace bulkhead::vmx {

namespace {

using S = const GuestState&;
using Segment = const GuestSegment&;
using enum InterruptionType;
using enum SegmentRule::When;

// Positions in GuestState::segments, and sets of them.
constexpr unsigned cs = 1, ss = 2, ldtr = 6;
constexpr u8 ES = 1, CS = 2, SS = 4, DS = 8, FS = 16, GS = 32, LDTR = 64, TR = 128;
constexpr u8 code_and_data = ES | CS | SS | DS | FS | GS, all = 0xff;

// Access rights: SDM 3C table 25-2.
constexpr u64 type(Segment s) { return s.rights & 15; }
constexpr u64 dpl(Segment s) { return s.rights >> 5 & 3; }
constexpr u64 rights_s = 1u << 4, rights_p = 1u << 7, rights_l = 1u << 13, rights_db = 1u << 14, rights_g = 1u << 15;

constexpr bool implies(bool condition, bool consequence) { return !condition || consequence; }
constexpr bool is_canonical(S s, u64 address) {
    const int unused = 64 - s.cpu.linear_bits;
    return static_cast<u64>(static_cast<i64>(address << unused) >> unused) == address;
}
constexpr bool is_physical(S s, u64 address) { return address >> s.cpu.physical_bits == 0; }
constexpr bool is_physical_page(S s, u64 address) { return is_physical(s, address) && address % 4096 == 0; }

constexpr bool is_ia32e(S s) { return (s.entry & ENTRY_IA32E_MODE_GUEST) != 0; }
constexpr bool is_64_bit_code(S s) { return is_ia32e(s) && (s.segments[cs].rights & rights_l) != 0; }
constexpr bool is_virtual_8086(S s) { return (s.rflags & rflags::VM) != 0; }
constexpr bool is_blocked(S s) { return (s.interruptibility & (BLOCKING_BY_STI | BLOCKING_BY_MOV_SS)) != 0; }
constexpr bool is(S s, Activity activity) { return s.activity == static_cast<u64>(activity); }

/// Whether an event of this type is to be injected.
constexpr bool injects(S s) { return (s.event & interruption_valid) != 0; }
constexpr u32 vector(S s) { return interruption_vector(static_cast<u32>(s.event)); }
constexpr bool injects(S s, InterruptionType of) {
    return injects(s) && interruption_type(static_cast<u32>(s.event)) == of;
}
constexpr bool injects(S s, InterruptionType of, u32 number) { return injects(s, of) && vector(s) == number; }

/// Exceptions with an error code; none has one in real mode.
constexpr bool needs_error_code(S s) {
    constexpr u32 with_code = 1u << 8 | 1u << 10 | 1u << 11 | 1u << 12 | 1u << 13 | 1u << 14 | 1u << 17;
    return injects(s, HardwareException) && vector(s) < 32 && (with_code >> vector(s) & 1) != 0 &&
           (s.cr0 & cr0::PE) != 0;
}

constexpr bool is_pat(u64 value) {
    for (; value != 0; value >>= 8)
        if ((value & 0xff) > 7 || (value & 0xfe) == 2)
            return false;
    return true;
}

// clang-format off
constexpr StateRule rules[] = {
    // Controls: SDM 3C 27.2.1.1
    {"virtual NMIs need NMI exiting",
     [](S s) { return implies(s.pin & PIN_VIRTUAL_NMIS, s.pin & PIN_NMI_EXITING); }},
    {"NMI-window exiting needs virtual NMIs",
     [](S s) { return implies(s.primary & CPU_NMI_WINDOW_EXITING, s.pin & PIN_VIRTUAL_NMIS); }},
    {"unrestricted guest needs EPT",
     [](S s) { return implies(s.secondary & SECONDARY_UNRESTRICTED_GUEST, s.secondary & SECONDARY_ENABLE_EPT); }},
    {"the VPID is not 0", [](S s) { return implies(s.secondary & SECONDARY_ENABLE_VPID, s.vpid != 0); }},
    {"the EPT pointer is write-back, of 4 levels, without reserved bits", [](S s) {
         return (s.ept_pointer & 0xfbf) == 0x1e && is_physical(s, s.ept_pointer); }},
    {"I/O bitmaps are at page addresses",
     [](S s) { return is_physical_page(s, s.io_bitmap_a) && is_physical_page(s, s.io_bitmap_b); }},
    {"the MSR bitmap is at a page address", [](S s) { return is_physical_page(s, s.msr_bitmap); }},
    // Event injection: SDM 3C 27.2.1.3
    {"the event has no reserved bits or type",
     [](S s) { return !injects(s) || ((s.event & 0x7ffff000) == 0 && (s.event >> 8 & 7) != 1); }},
    {"an NMI has vector 2", [](S s) { return implies(injects(s, Nmi), vector(s) == 2); }},
    {"an exception has a vector below 32", [](S s) { return implies(injects(s, HardwareException), vector(s) < 32); }},
    {"an event has an error code if and only if its exception has",
     [](S s) { return !injects(s) || ((s.event & interruption_has_error_code) != 0) == needs_error_code(s); }},
    {"an error code has 16 bits", [](S s) { return implies(needs_error_code(s), s.event_error_code <= 0xffff); }},
    {"a software event has an instruction length of 1 to 15", [](S s) {
         return !(injects(s, SoftwareInterrupt) || injects(s, PrivilegedSoftwareException) ||
                  injects(s, SoftwareException)) || (s.event_length >= 1 && s.event_length <= 15); }},
    // Control registers, debug registers, MSRs: SDM 3C 27.3.1.1
    {"CR0 has the bits that IA32_VMX_CR0_FIXED0 and FIXED1 demand", [](S s) {
         const u64 checked = s.cr0 & ~(cr0::CD | cr0::NW);
         return (s.cpu.cr0_fixed0 & ~(cr0::PE | cr0::PG) & ~checked) == 0 && (checked & ~s.cpu.cr0_fixed1) == 0; }},
    {"CR0.PG needs CR0.PE", [](S s) { return implies(s.cr0 & cr0::PG, s.cr0 & cr0::PE); }},
    {"CR4 has the bits that IA32_VMX_CR4_FIXED0 and FIXED1 demand",
     [](S s) { return (s.cpu.cr4_fixed0 & ~s.cr4) == 0 && (s.cr4 & ~s.cpu.cr4_fixed1) == 0; }},
    {"CR4.CET needs CR0.WP", [](S s) { return implies(s.cr4 & cr4::CET, s.cr0 & cr0::WP); }},
    {"IA32_DEBUGCTL has no reserved bits", [](S s) { return (s.debugctl & ~u64{0xffc7}) == 0; }},
    {"an IA-32e mode guest has CR0.PG and CR4.PAE",
     [](S s) { return implies(is_ia32e(s), (s.cr0 & cr0::PG) && (s.cr4 & cr4::PAE)); }},
    {"CR4.PCIDE needs an IA-32e mode guest", [](S s) { return implies(s.cr4 & cr4::PCIDE, is_ia32e(s)); }},
    {"CR3 is within the physical-address width", [](S s) { return is_physical(s, s.cr3); }},
    {"DR7 has 32 bits", [](S s) { return s.dr7 >> 32 == 0; }},
    {"SYSENTER_ESP and SYSENTER_EIP are canonical",
     [](S s) { return is_canonical(s, s.sysenter_esp) && is_canonical(s, s.sysenter_eip); }},
    {"IA32_PAT has memory types only", [](S s) { return is_pat(s.pat); }},
    {"EFER has no reserved bits",
     [](S s) { return (s.efer & ~(efer::SCE | efer::LME | efer::LMA | efer::NXE)) == 0; }},
    {"EFER.LMA is the control \"IA-32e mode guest\"",
     [](S s) { return ((s.efer & efer::LMA) != 0) == is_ia32e(s); }},
    {"EFER.LMA is EFER.LME under paging",
     [](S s) { return !(s.cr0 & cr0::PG) || ((s.efer & efer::LMA) != 0) == ((s.efer & efer::LME) != 0); }},
    // Descriptor-table registers: SDM 3C 27.3.1.3
    {"GDTR and IDTR have canonical bases",
     [](S s) { return is_canonical(s, s.gdtr_base) && is_canonical(s, s.idtr_base); }},
    {"GDTR and IDTR have limits of 16 bits", [](S s) { return s.gdtr_limit <= 0xffff && s.idtr_limit <= 0xffff; }},
    // RIP and RFLAGS: SDM 3C 27.3.1.4
    {"RIP has 32 bits outside of 64-bit code", [](S s) { return is_64_bit_code(s) || s.rip >> 32 == 0; }},
    {"RIP has equal bits above the linear-address width in 64-bit code", [](S s) {
         const i64 above = static_cast<i64>(s.rip) >> s.cpu.linear_bits;
         return !is_64_bit_code(s) || above == 0 || above == -1; }},
    {"RFLAGS has its fixed bits", [](S s) { return (s.rflags & ~u64{0x3f7fd5}) == rflags::fixed_1; }},
    {"RFLAGS.VM needs protected mode, and no IA-32e mode guest",
     [](S s) { return implies(is_virtual_8086(s), !is_ia32e(s) && (s.cr0 & cr0::PE)); }},
    {"an external interrupt needs RFLAGS.IF",
     [](S s) { return implies(injects(s, ExternalInterrupt), s.rflags & rflags::IF); }},
    // Non-register state: SDM 3C 27.3.1.5
    {"the activity state is 0 to 3", [](S s) { return s.activity <= 3; }},
    {"HLT needs an SS.DPL of 0", [](S s) { return implies(is(s, Activity::Hlt), dpl(s.segments[ss]) == 0); }},
    {"blocking by STI or MOV SS needs the active state",
     [](S s) { return implies(is_blocked(s), is(s, Activity::Active)); }},
    {"the event can wake the activity state", [](S s) {
         const bool any_sleep = injects(s, Nmi) || injects(s, HardwareException, 18);
         return !injects(s) || is(s, Activity::Active) || (is(s, Activity::Shutdown) && any_sleep) ||
                (is(s, Activity::Hlt) && (any_sleep || injects(s, ExternalInterrupt) ||
                                          injects(s, HardwareException, 1) || injects(s, Other, 0))); }},
    {"the interruptibility state has no reserved bits, nor blocking by SMI",
     [](S s) { return (s.interruptibility & ~u64{0x1b}) == 0; }},
    {"there is no blocking by STI and MOV SS at once",
     [](S s) { return (s.interruptibility & 3) != (BLOCKING_BY_STI | BLOCKING_BY_MOV_SS); }},
    {"blocking by STI needs RFLAGS.IF",
     [](S s) { return implies(s.interruptibility & BLOCKING_BY_STI, s.rflags & rflags::IF); }},
    // (An NMI after STI is refused by some processors only.)
    {"an external interrupt or NMI is not blocked by STI or MOV SS",
     [](S s) { return implies(injects(s, ExternalInterrupt) || injects(s, Nmi), !is_blocked(s)); }},
    {"a virtual NMI is not blocked by NMI", [](S s) {
         return !(injects(s, Nmi) && (s.pin & PIN_VIRTUAL_NMIS)) || !(s.interruptibility & BLOCKING_BY_NMI); }},
    {"pending debug exceptions have no reserved bits", [](S s) { return (s.pending_debug & ~u64{0x1580f}) == 0; }},
    {"a single step is pending if and only if it is due where the guest is blocked or in HLT", [](S s) {
         constexpr u64 btf = 2;
         const bool is_due = (s.rflags & rflags::TF) != 0 && (s.debugctl & btf) == 0;
         return !(is_blocked(s) || is(s, Activity::Hlt)) || ((s.pending_debug & PENDING_DBG_BS) != 0) == is_due; }},
    {"the VMCS link pointer is all ones", [](S s) { return s.link_pointer == ~u64{0}; }},
    // Page-directory-pointer-table entries: SDM 3C 27.3.1.6
    {"PDPTEs of PAE paging have no reserved bits", [](S s) {
         return is_ia32e(s) || !(s.cr0 & cr0::PG) || !(s.cr4 & cr4::PAE) || std::ranges::all_of(s.pdptes, [&](u64 e) {
             return !(e & 1) || ((e & 0x1e6) == 0 && is_physical(s, e)); }); }},
};

// SDM 3C 27.3.1.2
constexpr SegmentRule rules_of_segments[] = {
    {"base is 16 times the selector", code_and_data, Virtual8086,
     [](S, Segment segment) { return segment.base == segment.selector << 4; }},
    {"limit is ffff", code_and_data, Virtual8086, [](S, Segment segment) { return segment.limit == 0xffff; }},
    {"access rights are f3", code_and_data, Virtual8086, [](S, Segment segment) { return segment.rights == 0xf3; }},
    {"selector has TI 0", LDTR | TR, Usable, [](S, Segment segment) { return (segment.selector & 4) == 0; }},
    {"base is canonical", FS | GS | TR, Always, [](S s, Segment segment) { return is_canonical(s, segment.base); }},
    {"LDT's base is canonical", LDTR, Usable, [](S s, Segment segment) { return is_canonical(s, segment.base); }},
    {"base has 32 bits", ES | CS | SS | DS, Usable, [](S, Segment segment) { return segment.base >> 32 == 0; }},
    {"is usable", TR, Always, [](S, Segment segment) { return (segment.rights & segment_unusable) == 0; }},
    {"type is accessed code, or writable data", CS, Usable,
     [](S, Segment segment) { return type(segment) == 3 || (type(segment) & 9) == 9; }},
    {"type is accessed writable data", SS, Usable, [](S, Segment segment) { return (type(segment) & ~4ul) == 3; }},
    {"type is accessed, and readable if it is code", ES | DS | FS | GS, Usable,
     [](S, Segment segment) { return (type(segment) & 1) && implies(type(segment) & 8, type(segment) & 2); }},
    {"type is LDT", LDTR, Usable, [](S, Segment segment) { return type(segment) == 2; }},
    {"type is busy TSS, of 32 or 64 bits in IA-32e mode", TR, Always,
     [](S s, Segment segment) { return type(segment) == 11 || (type(segment) == 3 && !is_ia32e(s)); }},
    {"S is 1", code_and_data, Usable, [](S, Segment segment) { return (segment.rights & rights_s) != 0; }},
    {"S is 0", LDTR | TR, Usable, [](S, Segment segment) { return (segment.rights & rights_s) == 0; }},
    {"P is 1", all, Usable, [](S, Segment segment) { return (segment.rights & rights_p) != 0; }},
    {"DPL fits its type and SS.DPL", CS, Usable, [](S s, Segment segment) {
         const u64 stack = dpl(s.segments[ss]);
         return type(segment) == 3 ? dpl(segment) == 0
                : (type(segment) & 4) != 0 ? dpl(segment) <= stack : dpl(segment) == stack; }},
    {"DPL is 0 in real mode, and where CS is data", SS, Always, [](S s, Segment segment) {
         return is_virtual_8086(s) || dpl(segment) == 0 || ((s.cr0 & cr0::PE) && type(s.segments[cs]) != 3); }},
    {"D is 0 in 64-bit code", CS, Usable,
     [](S s, Segment segment) { return !is_64_bit_code(s) || (segment.rights & rights_db) == 0; }},
    {"G fits the limit", all, Usable, [](S, Segment segment) {
         const bool in_pages = (segment.rights & rights_g) != 0;
         return in_pages ? (segment.limit & 0xfff) == 0xfff : segment.limit >> 20 == 0; }},
    {"access rights have no reserved bits", all, Usable,
     [](S, Segment segment) { return (segment.rights & 0xfffe0f00) == 0; }},
};

/// SDM 3C table 31-1.
constexpr auto instruction_errors = std::to_array<std::string_view>({
    "no error", "VMCALL executed in VMX root operation", "VMCLEAR with invalid physical address",
    "VMCLEAR with VMXON pointer", "VMLAUNCH with non-clear VMCS", "VMRESUME with non-launched VMCS",
    "VMRESUME after VMXOFF", "VM entry with invalid control field(s)", "VM entry with invalid host-state field(s)",
    "VMPTRLD with invalid physical address", "VMPTRLD with VMXON pointer",
    "VMPTRLD with incorrect VMCS revision identifier", "VMREAD/VMWRITE from/to unsupported VMCS component",
    "VMWRITE to read-only VMCS component", "unknown", "VMXON executed in VMX root operation",
    "VM entry with invalid executive-VMCS pointer", "VM entry with non-launched executive VMCS",
    "VM entry with executive-VMCS pointer not VMXON pointer", "VMCALL with non-clear VMCS",
    "VMCALL with invalid VM-exit control fields", "unknown", "VMCALL with incorrect MSEG revision identifier",
    "VMXOFF under dual-monitor treatment of SMIs and SMM", "VMCALL with invalid SMM-monitor features",
    "VM entry with invalid VM-execution control fields in executive VMCS", "VM entry with events blocked by MOV SS",
    "unknown", "invalid operand to INVEPT/INVVPID",
});
// clang-format on

} // namespace

std::span<const StateRule> state_rules() { return rules; }
std::span<const SegmentRule> segment_rules() { return rules_of_segments; }

bool applies(const SegmentRule& rule, const GuestState& state, unsigned segment) {
    if ((rule.registers >> segment & 1) == 0)
        return false;
    const bool replaced = is_virtual_8086(state) && segment < ldtr;
    switch (rule.when) {
    case Always:
        return true;
    case Virtual8086:
        return replaced;
    case Usable:
        return !replaced && (segment == cs || (state.segments[segment].rights & segment_unusable) == 0);
    }
    __builtin_unreachable();
}

std::string_view instruction_error_name(u64 number) {
    return number < instruction_errors.size() ? instruction_errors[number] : "unknown";
}

} // namespace bulkhead::vmx
