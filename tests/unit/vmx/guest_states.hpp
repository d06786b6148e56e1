// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// Guest states that VM entry takes, and damages to them that break one of its rules each.
#pragma once

#include <string>
#include <vector>

#include "unit/vmx/capability_sets.hpp"
#include "vmx/guest_state.hpp"

namespace bulkhead::vmx::test_states {

enum { es, cs, ss, ds, fs, gs, ldtr, tr };

/// What the hypervisor's own controls are, and a guest in 64-bit mode, as after the boot protocol's entry.
inline GuestState long_mode() {
    GuestState state;
    state.cpu = *decide_capabilities(test::modern_vmx());
    state.pin = state.cpu.pin;
    state.primary = state.cpu.primary;
    state.secondary = state.cpu.secondary;
    state.entry = state.cpu.entry | 1u << 9;
    state.vpid = 1;
    state.ept_pointer = 0x12345'605e; // accessed and dirty bits too
    state.io_bitmap_a = 0x1000;
    state.io_bitmap_b = 0x2000;
    state.msr_bitmap = 0x3000;
    state.cr0 = 0x8005'0033;
    state.cr3 = 0x10'0000;
    state.cr4 = 0x2020;
    state.dr7 = 0x400;
    state.pat = 0x0007'0406'0007'0406;
    state.efer = 0xd01;
    state.gdtr_base = 0xffff'8000'0000'0000;
    state.gdtr_limit = state.idtr_limit = 0xffff;
    state.rip = 0xffff'ffff'8100'0000;
    state.rflags = 2;
    state.link_pointer = ~u64{0};
    state.segments[cs] = {.selector = 0x10, .limit = 0xffff'ffff, .rights = 0xa09b};
    for (const unsigned data : {es, ss, ds, fs, gs})
        state.segments[data] = {.selector = 0x18, .limit = 0xffff'ffff, .rights = 0xc093};
    state.segments[fs].base = 0x7fff'1234'5000;
    state.segments[ldtr].rights = 0x10000;
    state.segments[tr] = {.limit = 0x67, .rights = 0x8b};
    return state;
}

/// As the parked context: unrestricted, real mode at address 0.
inline GuestState real_mode() {
    GuestState state = long_mode();
    state.entry = state.cpu.entry;
    state.cr0 = 0x30;
    state.cr3 = state.efer = state.rip = state.gdtr_base = 0;
    state.cr4 = 0x2000;
    state.segments[cs] = {.limit = 0xffff, .rights = 0x9b};
    for (const unsigned data : {es, ss, ds, fs, gs})
        state.segments[data] = {.limit = 0xffff, .rights = 0x93};
    state.segments[ldtr] = {.limit = 0xffff, .rights = 0x82};
    state.segments[tr] = {.limit = 0xffff, .rights = 0x8b};
    return state;
}

inline GuestState virtual_8086() {
    GuestState state = real_mode();
    state.cr0 = 0x31;
    state.rflags = 0x2'0202;
    for (unsigned i = es; i <= gs; ++i)
        state.segments[i] = {.selector = 0x1234, .base = 0x1'2340, .limit = 0xffff, .rights = 0xf3};
    return state;
}

struct Case {
    std::string broken; ///< the one rule
    GuestState (*good)();
    void (*damage)(GuestState&);
};

constexpr u64 valid = 1u << 31;
using S = GuestState&;

// clang-format off
inline const std::vector<Case> cases{
    {"virtual NMIs need NMI exiting", long_mode, [](S s) { s.pin &= ~u64{8}; }},
    {"NMI-window exiting needs virtual NMIs", long_mode, [](S s) { s.primary |= 1u << 22; s.pin &= ~u64{0x20}; }},
    {"unrestricted guest needs EPT", long_mode, [](S s) { s.secondary &= ~u64{2}; }},
    {"the VPID is not 0", long_mode, [](S s) { s.vpid = 0; }},
    {"the EPT pointer is write-back, of 4 levels, without reserved bits", long_mode,
     [](S s) { s.ept_pointer = 0x1018; }},
    {"the EPT pointer is write-back, of 4 levels, without reserved bits", long_mode,
     [](S s) { s.ept_pointer |= 0x800; }},
    {"the EPT pointer is write-back, of 4 levels, without reserved bits", long_mode,
     [](S s) { s.ept_pointer |= u64{1} << 46; }},
    {"I/O bitmaps are at page addresses", long_mode, [](S s) { s.io_bitmap_a = 0x1800; }},
    {"I/O bitmaps are at page addresses", long_mode, [](S s) { s.io_bitmap_b = u64{1} << 46; }},
    {"the MSR bitmap is at a page address", long_mode, [](S s) { s.msr_bitmap = 0x3008; }},

    {"the event has no reserved bits or type", long_mode, [](S s) { s.event = valid | 0x1301; }},
    {"the event has no reserved bits or type", long_mode, [](S s) { s.event = valid | 0x100; }},
    {"an NMI has vector 2", long_mode, [](S s) { s.event = valid | 0x203; }},
    {"an exception has a vector below 32", long_mode, [](S s) { s.event = valid | 0x320; }},
    {"an event has an error code if and only if its exception has", long_mode, [](S s) { s.event = valid | 0x30d; }},
    {"an event has an error code if and only if its exception has", long_mode, [](S s) { s.event = valid | 0xb06; }},
    {"an event has an error code if and only if its exception has", real_mode, [](S s) { s.event = valid | 0xb0d; }},
    {"an error code has 16 bits", long_mode, [](S s) { s.event = valid | 0xb0d; s.event_error_code = 0x10000; }},
    {"a software event has an instruction length of 1 to 15", long_mode, [](S s) { s.event = valid | 0x603; }},
    {"a software event has an instruction length of 1 to 15", long_mode,
     [](S s) { s.event = valid | 0x480; s.event_length = 16; }},
    {"a software event has an instruction length of 1 to 15", long_mode, [](S s) { s.event = valid | 0x501; }},

    {"CR0 has the bits that IA32_VMX_CR0_FIXED0 and FIXED1 demand", long_mode, [](S s) { s.cr0 &= ~u64{0x20}; }},
    {"CR0 has the bits that IA32_VMX_CR0_FIXED0 and FIXED1 demand", real_mode, [](S s) { s.cr0 |= u64{1} << 32; }},
    {"CR0.PG needs CR0.PE", real_mode, [](S s) { s.cr0 |= 1u << 31; }},
    {"CR4 has the bits that IA32_VMX_CR4_FIXED0 and FIXED1 demand", long_mode, [](S s) { s.cr4 &= ~u64{0x2000}; }},
    {"CR4 has the bits that IA32_VMX_CR4_FIXED0 and FIXED1 demand", long_mode, [](S s) { s.cr4 |= 1u << 15; }},
    {"CR4.CET needs CR0.WP", long_mode,
     [](S s) { s.cpu.cr4_fixed1 |= 1u << 23; s.cr4 |= 1u << 23; s.cr0 &= ~u64{0x10000}; }},
    {"IA32_DEBUGCTL has no reserved bits", long_mode, [](S s) { s.debugctl = 8; }},
    {"an IA-32e mode guest has CR0.PG and CR4.PAE", long_mode, [](S s) { s.cr4 &= ~u64{0x20}; }},
    {"an IA-32e mode guest has CR0.PG and CR4.PAE", long_mode, [](S s) { s.cr0 &= ~(u64{1} << 31); }},
    {"CR4.PCIDE needs an IA-32e mode guest", real_mode, [](S s) { s.cr4 |= 1u << 17; }},
    {"CR3 is within the physical-address width", long_mode, [](S s) { s.cr3 = u64{1} << 46; }},
    {"DR7 has 32 bits", long_mode, [](S s) { s.dr7 |= u64{1} << 32; }},
    {"SYSENTER_ESP and SYSENTER_EIP are canonical", long_mode, [](S s) { s.sysenter_esp = u64{1} << 47; }},
    {"SYSENTER_ESP and SYSENTER_EIP are canonical", long_mode, [](S s) { s.sysenter_eip = ~u64{0} << 49; }},
    {"IA32_PAT has memory types only", long_mode, [](S s) { s.pat = 0x0200'0000'0000'0000; }},
    {"IA32_PAT has memory types only", long_mode, [](S s) { s.pat = 3; }},
    {"IA32_PAT has memory types only", long_mode, [](S s) { s.pat = 0x800; }},
    {"EFER has no reserved bits", long_mode, [](S s) { s.efer |= 0x1000; }},
    {"EFER.LMA is the control \"IA-32e mode guest\"", real_mode, [](S s) { s.efer = 0x500; }},
    {"EFER.LMA is EFER.LME under paging", long_mode, [](S s) { s.efer = 0xc01; }},

    {"GDTR and IDTR have canonical bases", long_mode, [](S s) { s.gdtr_base = u64{1} << 48; }},
    {"GDTR and IDTR have canonical bases", long_mode, [](S s) { s.idtr_base = u64{1} << 63; }},
    {"GDTR and IDTR have limits of 16 bits", long_mode, [](S s) { s.gdtr_limit = 0x10000; }},
    {"GDTR and IDTR have limits of 16 bits", long_mode, [](S s) { s.idtr_limit = 0x10000; }},
    {"RIP has 32 bits outside of 64-bit code", real_mode, [](S s) { s.rip = u64{1} << 32; }},
    {"RIP has 32 bits outside of 64-bit code", long_mode, [](S s) { s.segments[cs].rights = 0xc09b; }},
    {"RIP has equal bits above the linear-address width in 64-bit code", long_mode, [](S s) { s.rip = u64{1} << 48; }},
    {"RFLAGS has its fixed bits", long_mode, [](S s) { s.rflags = 0; }},
    {"RFLAGS has its fixed bits", long_mode, [](S s) { s.rflags = 0x8002; }},
    {"RFLAGS has its fixed bits", long_mode, [](S s) { s.rflags = 0x40'0002; }},
    {"RFLAGS.VM needs protected mode, and no IA-32e mode guest", virtual_8086, [](S s) { s.cr0 &= ~u64{1}; }},
    {"an external interrupt needs RFLAGS.IF", long_mode, [](S s) { s.event = valid | 0x30; }},

    {"the activity state is 0 to 3", long_mode, [](S s) { s.activity = 4; }},
    {"HLT needs an SS.DPL of 0", long_mode,
     [](S s) { s.activity = 1; s.segments[ss].rights |= 0x60; s.segments[cs].rights |= 0x60; }},
    {"blocking by STI or MOV SS needs the active state", long_mode,
     [](S s) { s.activity = 1; s.interruptibility = 2; }},
    {"the event can wake the activity state", long_mode, [](S s) { s.activity = 1; s.event = valid | 0x306; }},
    {"the event can wake the activity state", long_mode, [](S s) { s.activity = 2; s.event = valid | 0x301; }},
    {"the event can wake the activity state", long_mode, [](S s) { s.activity = 3; s.event = valid | 0x202; }},
    {"the interruptibility state has no reserved bits, nor blocking by SMI", long_mode,
     [](S s) { s.interruptibility = 4; }},
    {"the interruptibility state has no reserved bits, nor blocking by SMI", long_mode,
     [](S s) { s.interruptibility = 0x20; }},
    {"there is no blocking by STI and MOV SS at once", long_mode,
     [](S s) { s.interruptibility = 3; s.rflags = 0x202; }},
    {"blocking by STI needs RFLAGS.IF", long_mode, [](S s) { s.interruptibility = 1; }},
    {"an external interrupt or NMI is not blocked by STI or MOV SS", long_mode,
     [](S s) { s.interruptibility = 2; s.event = valid | 0x202; }},
    {"an external interrupt or NMI is not blocked by STI or MOV SS", long_mode,
     [](S s) { s.interruptibility = 1; s.rflags = 0x202; s.event = valid | 0x30; }},
    {"a virtual NMI is not blocked by NMI", long_mode, [](S s) { s.interruptibility = 8; s.event = valid | 0x202; }},
    {"pending debug exceptions have no reserved bits", long_mode, [](S s) { s.pending_debug = 0x10; }},
    {"pending debug exceptions have no reserved bits", long_mode, [](S s) { s.pending_debug = 0x2000; }},
    {"a single step is pending if and only if it is due where the guest is blocked or in HLT", long_mode,
     [](S s) { s.interruptibility = 2; s.rflags = 0x102; }},
    {"a single step is pending if and only if it is due where the guest is blocked or in HLT", long_mode,
     [](S s) { s.interruptibility = 2; s.pending_debug = 0x4000; }},
    {"a single step is pending if and only if it is due where the guest is blocked or in HLT", long_mode,
     [](S s) { s.activity = 1; s.rflags = 0x102; s.debugctl = 2; s.pending_debug = 0x4000; }},
    {"the VMCS link pointer is all ones", long_mode, [](S s) { s.link_pointer = 0; }},
    {"PDPTEs of PAE paging have no reserved bits", real_mode,
     [](S s) { s.cr0 |= 0x8000'0001; s.cr4 |= 0x20; s.pdptes[3] = 3; }},
    {"PDPTEs of PAE paging have no reserved bits", real_mode,
     [](S s) { s.cr0 |= 0x8000'0001; s.cr4 |= 0x20; s.pdptes[0] = u64{1} << 46 | 1; }},

    {"ES: base is 16 times the selector", virtual_8086, [](S s) { s.segments[es].base = 0; }},
    {"GS: limit is ffff", virtual_8086, [](S s) { s.segments[gs].limit = 0xf'ffff; }},
    {"CS: access rights are f3", virtual_8086, [](S s) { s.segments[cs].rights = 0x9b; }},
    {"LDTR: selector has TI 0", real_mode, [](S s) { s.segments[ldtr].selector = 4; }},
    {"TR: selector has TI 0", long_mode, [](S s) { s.segments[tr].selector = 0x2c; }},
    {"TR: base is canonical", long_mode, [](S s) { s.segments[tr].base = u64{1} << 50; }},
    {"FS: base is canonical", long_mode, [](S s) { s.segments[fs] = {.base = u64{1} << 50, .rights = 0x10000}; }},
    {"LDTR: LDT's base is canonical", real_mode, [](S s) { s.segments[ldtr].base = u64{1} << 50; }},
    {"SS: base has 32 bits", long_mode, [](S s) { s.segments[ss].base = u64{1} << 32; }},
    {"CS: base has 32 bits", long_mode, [](S s) { s.segments[cs].base = ~u64{0}; }},
    {"TR: is usable", long_mode, [](S s) { s.segments[tr].rights |= 0x10000; }},
    {"CS: type is accessed code, or writable data", long_mode, [](S s) { s.segments[cs].rights = 0xa09a; }},
    {"CS: type is accessed code, or writable data", real_mode, [](S s) { s.segments[cs].rights = 0x91; }},
    {"SS: type is accessed writable data", long_mode, [](S s) { s.segments[ss].rights = 0xc091; }},
    {"SS: type is accessed writable data", long_mode, [](S s) { s.segments[ss].rights = 0xc09b; }},
    {"DS: type is accessed, and readable if it is code", long_mode, [](S s) { s.segments[ds].rights = 0xc092; }},
    {"GS: type is accessed, and readable if it is code", long_mode, [](S s) { s.segments[gs].rights = 0xc099; }},
    {"LDTR: type is LDT", real_mode, [](S s) { s.segments[ldtr].rights = 0x8b; }},
    {"TR: type is busy TSS, of 32 or 64 bits in IA-32e mode", long_mode, [](S s) { s.segments[tr].rights = 0x83; }},
    {"TR: type is busy TSS, of 32 or 64 bits in IA-32e mode", real_mode, [](S s) { s.segments[tr].rights = 0x89; }},
    {"ES: S is 1", long_mode, [](S s) { s.segments[es].rights &= ~u64{0x10}; }},
    {"TR: S is 0", long_mode, [](S s) { s.segments[tr].rights |= 0x10; }},
    {"DS: P is 1", long_mode, [](S s) { s.segments[ds].rights &= ~u64{0x80}; }},
    {"LDTR: P is 1", real_mode, [](S s) { s.segments[ldtr].rights &= ~u64{0x80}; }},
    {"CS: DPL fits its type and SS.DPL", long_mode, [](S s) { s.segments[cs].rights |= 0x60; }},
    {"CS: DPL fits its type and SS.DPL", long_mode, [](S s) { s.segments[cs].rights |= 0x64; }}, // conforming
    {"CS: DPL fits its type and SS.DPL", real_mode, [](S s) { s.segments[cs].rights = 0xf3; }},
    {"SS: DPL is 0 in real mode, and where CS is data", long_mode,
     [](S s) { s.segments[ss].rights |= 0x60; s.segments[cs].rights = 0x8093; s.rip = 0; }},
    {"CS: D is 0 in 64-bit code", long_mode, [](S s) { s.segments[cs].rights |= 0x4000; }},
    {"DS: G fits the limit", long_mode, [](S s) { s.segments[ds].limit = 0xffff'f000; }},
    {"ES: G fits the limit", real_mode, [](S s) { s.segments[es].limit = 0x10'0000; }},
    {"TR: G fits the limit", long_mode, [](S s) { s.segments[tr].limit = 0xffff'ffff; }},
    {"CS: access rights have no reserved bits", long_mode, [](S s) { s.segments[cs].rights |= 0x100; }},
    {"TR: access rights have no reserved bits", long_mode, [](S s) { s.segments[tr].rights |= 0x20000; }},
};

/// What is allowed, though it is near a rule.
inline const std::vector<Case> allowed{
    {"HLT", long_mode, [](S s) { s.activity = 1; s.rflags = 0x202; s.event = valid | 0x30; }},
    {"NMI into HLT", long_mode, [](S s) { s.activity = 1; s.event = valid | 0x202; }},
    {"machine check into shutdown", long_mode, [](S s) { s.activity = 2; s.event = valid | 0x312; }},
    {"#GP with an error code", long_mode, [](S s) { s.event = valid | 0xb0d; s.event_error_code = 0xffff; }},
    {"#GP without one in real mode", real_mode, [](S s) { s.event = valid | 0x30d; }},
    {"an event that is not valid", long_mode, [](S s) { s.event = 0x7fff'ffff; }},
    {"INT1", long_mode, [](S s) { s.event = valid | 0x501; s.event_length = 1; }},
    {"process", long_mode,
     [](S s) { s.segments[cs].rights = 0xa0fb; s.segments[ss].rights = 0xc0f3; s.rflags = 0x202; }},
    {"64-bit kernel with null segments", long_mode,
     [](S s) { for (unsigned i : {es, ss, ds, fs, gs}) s.segments[i].rights = 0x1'0000; }},
    {"RIP behind the last canonical byte", long_mode, [](S s) { s.rip = u64{1} << 47; }},
    {"compatibility mode", long_mode, [](S s) { s.segments[cs].rights = 0xc09b; s.rip = 0x1000; }},
    {"cache disabled", long_mode, [](S s) { s.cr0 |= 0x6000'0000; }},
    {"EFER.LME before paging", real_mode, [](S s) { s.efer = 0x100; }},
    {"protected mode, CS still of real mode", real_mode, [](S s) { s.cr0 |= 1; s.segments[cs].rights = 0x93; }},
    {"PAE paging", real_mode, [](S s) { s.cr0 |= 0x8000'0001; s.cr4 |= 0x20; s.pdptes = {0x1001, 0x2019, 0x1e6, 0}; }},
    {"single step after STI", long_mode,
     [](S s) { s.interruptibility = 1; s.rflags = 0x302; s.pending_debug = 0x4000; }},
    {"conforming code below its stack", long_mode,
     [](S s) { s.segments[cs].rights = 0xa09f; s.segments[ss].rights = 0xc0f3; }},
    {"virtual-8086 mode", virtual_8086, [](S) {}},
    {"16-bit TSS", real_mode, [](S s) { s.segments[tr].rights = 0x83; }},
};
// clang-format on

} // namespace bulkhead::vmx::test_states
