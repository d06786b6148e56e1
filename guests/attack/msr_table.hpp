// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// The MSRs that a guest has, and what each takes: the hypervisor's table once more, from this side. What is not here is
// #GP, read or written.
#pragma once

#include "guests/attack/attack.hpp"
#include "guests/attack/control_rules.hpp"
#include "guests/attack/windows.hpp"
#include "guests/lib/apic.hpp"
#include "guests/lib/xapic.hpp"

namespace bulkhead::guest::attack {

enum class Needs : u8 { nothing, intel, amd, deadline, tsc_aux, spec_ctrl, pred_cmd, flush_cmd, arch_capabilities };

enum class Takes : u8 {
    nothing,   ///< each write is #GP
    anything,  ///< ignored, or kept
    only_bits, ///< of `bits`; #GP else
    direct,    ///< `bits`; else it is up to the CPU, which the hypervisor does not ask
    address,   ///< direct, one that is canonical
    apic_base,
    timer, ///< `bits`, and a mode that there is; #GP else
    efer,
    memory_types, ///< one of MTRR_DEF_TYPE, or eight
    icr,
    clock_page, ///< an address of the guest's RAM
};

struct MsrRow {
    u32 first, last;
    bool can_be_read;
    Takes takes;
    u64 bits = 0;
    Needs needs = Needs::nothing;
};

inline constexpr u64 delivery_status = 0x1000, remote_irr = 0x4000, lvt_status = delivery_status | remote_irr;

inline constexpr MsrRow msr_rows[] = {
    {0x0, 0x1, true, Takes::anything},                      // of the Pentium's machine checks
    {0x10, 0x10, true, Takes::anything},                    // TSC
    {0x17, 0x17, true, Takes::nothing, 0, Needs::intel},    // PLATFORM_ID
    {0x1b, 0x1b, true, Takes::apic_base},                   //
    {0x2a, 0x2a, true, Takes::anything, 0, Needs::intel},   // EBL_CR_POWERON
    {0x3a, 0x3a, true, Takes::nothing, 0, Needs::intel},    // FEATURE_CONTROL
    {0x48, 0x48, true, Takes::direct, 0, Needs::spec_ctrl}, //
    {0x49, 0x49, false, Takes::direct, 0, Needs::pred_cmd}, //
    {0x79, 0x79, false, Takes::anything, 0, Needs::intel},  // BIOS_UPDT_TRIG
    {0x8b, 0x8b, true, Takes::anything},                    // BIOS_SIGN_ID
    {0xce, 0xce, true, Takes::nothing, 0, Needs::intel},    // PLATFORM_INFO
    {0xfe, 0xfe, true, Takes::nothing},                     // MTRRCAP
    {0x10a, 0x10a, true, Takes::nothing, 0, Needs::arch_capabilities},
    {0x10b, 0x10b, false, Takes::direct, 0, Needs::flush_cmd},
    {0x174, 0x174, true, Takes::direct, 0xffff},            // SYSENTER_CS
    {0x175, 0x176, true, Takes::address},                   // SYSENTER_ESP, EIP
    {0x179, 0x17b, true, Takes::anything},                  // MCG_CAP, STATUS, CTL
    {0x1a0, 0x1a0, true, Takes::anything, 0, Needs::intel}, // MISC_ENABLE
    {0x1d9, 0x1d9, true, Takes::only_bits, 3},              // DEBUGCTL
    {0x1db, 0x1de, true, Takes::nothing},                   // last branch and interrupt
    {0x250, 0x250, true, Takes::anything},                  // fixed MTRRs
    {0x258, 0x259, true, Takes::anything},                  //
    {0x268, 0x26f, true, Takes::anything},                  //
    {0x277, 0x277, true, Takes::memory_types, ~u64{0}},     // PAT
    {0x2ff, 0x2ff, true, Takes::memory_types, 0xc00},       // MTRR_DEF_TYPE
    {0x6e0, 0x6e0, true, Takes::direct, ~u64{0}, Needs::deadline},
    {0x802, 0x803, true, Takes::nothing},          // ID, version
    {0x808, 0x808, true, Takes::direct, 0xff},     // TPR
    {0x80a, 0x80a, true, Takes::nothing},          // PPR
    {0x80b, 0x80b, false, Takes::direct},          // EOI
    {0x80d, 0x80d, true, Takes::nothing},          // LDR
    {0x80f, 0x80f, true, Takes::only_bits, 0x1ff}, // SVR
    {0x810, 0x827, true, Takes::nothing},          // ISR, TMR, IRR
    {0x828, 0x828, true, Takes::only_bits, 0},     // ESR
    {0x830, 0x830, true, Takes::icr},              //
    {0x832, 0x832, true, Takes::timer, 0x710ff},   // LVT: timer,
    {0x833, 0x834, true, Takes::only_bits, 0x107ff | lvt_status},
    {0x835, 0x836, true, Takes::only_bits, 0x1a7ff | lvt_status},
    {0x837, 0x837, true, Takes::only_bits, 0x100ff | lvt_status},
    {0x838, 0x838, true, Takes::direct, 0xffffffff},           // initial count
    {0x839, 0x839, true, Takes::nothing},                      // current count
    {0x83e, 0x83e, true, Takes::direct, 0xb},                  // divide
    {0x83f, 0x83f, false, Takes::direct},                      // self-IPI
    {0x4b564d00, 0x4b564d01, true, Takes::clock_page},         //
    {0xc0000080, 0xc0000080, true, Takes::efer},               //
    {0xc0000081, 0xc0000081, true, Takes::anything},           // STAR
    {0xc0000082, 0xc0000083, true, Takes::address},            // LSTAR, CSTAR
    {0xc0000084, 0xc0000084, true, Takes::direct, 0xffffffff}, // SFMASK
    {0xc0000100, 0xc0000102, true, Takes::address},            // FS, GS
    {0xc0000103, 0xc0000103, true, Takes::direct, 0xffffffff, Needs::tsc_aux},
    {0xc0010010, 0xc0010010, true, Takes::anything, 0, Needs::amd},  // SYSCFG
    {0xc0010015, 0xc0010015, true, Takes::anything, 0, Needs::amd},  // HWCR
    {0xc001001f, 0xc001001f, true, Takes::anything, 0, Needs::amd},  // NB_CFG
    {0xc0010020, 0xc0010020, false, Takes::anything, 0, Needs::amd}, // PATCH_LOADER
    {0xc0010055, 0xc0010055, true, Takes::anything, 0, Needs::amd},  // INT_PENDING
    {0xc0011022, 0xc0011023, true, Takes::anything, 0, Needs::amd},  // DC_CFG, TW_CFG
    {0xc0011029, 0xc001102a, true, Takes::anything, 0, Needs::amd},  // DE_CFG, BU_CFG2
};

inline bool has(Needs needs) {
    const u32 edx = cpuid(7).edx, ebx = cpuid(0x80000008).ebx;
    switch (needs) {
    case Needs::nothing:
        return true;
    case Needs::intel:
        return is_intel();
    case Needs::amd:
        return !is_intel();
    case Needs::deadline:
        return (cpuid(1).ecx >> 24 & 1) != 0;
    case Needs::tsc_aux: // RDTSCP or RDPID
        return ((cpuid(0x80000001).edx >> 27 | cpuid(7).ecx >> 22) & 1) != 0;
    case Needs::spec_ctrl: // IBRS, STIBP, SSBD, PSFD
        return (edx & 0x8c000000) != 0 || (ebx & 0x1100c000) != 0;
    case Needs::pred_cmd: // IBPB
        return (edx >> 26 & 1) != 0 || (ebx >> 12 & 1) != 0;
    case Needs::flush_cmd:
        return (edx >> 28 & 1) != 0;
    case Needs::arch_capabilities:
        return (edx >> 29 & 1) != 0;
    }
    return false;
}

/// Null where there is none.
inline const MsrRow* find_msr(u32 number) {
    for (const MsrRow& row : msr_rows)
        if (number >= row.first && number <= row.last)
            return has(row.needs) ? &row : nullptr;
    return nullptr;
}

/// LMA is ignored, LME must stay while there is paging.
inline bool takes_efer(u64 value, u64 before) {
    return (value & ~efer_bits()) == 0 && ((value ^ before) & efer_lme) == 0;
}

inline bool takes_apic_base(u64 value, u64 before) {
    constexpr u64 mode = apic_base_en | apic_base_extd;
    const u64 from = before & mode, to = value & mode;
    return ((value ^ before) & ~mode) == 0 && to != apic_base_extd && (to == from || to == 0 || from == apic_base_en);
}

inline bool takes_timer_mode(u64 value) {
    return (value & lvt_deadline) == 0 || ((value & lvt_periodic) == 0 && has(Needs::deadline));
}

constexpr bool is_memory_type(u64 type) { return type < 8 && type != 2 && type != 3; }

/// How a write must end; `before` is what was read, if it can be.
inline Ends end_of_write(u32 number, const MsrRow* row, u64 value, u64 before) {
    constexpr auto only_if = [](bool good) { return good ? ignored : refused; };
    constexpr auto surely_if = [](bool good) { return good ? ignored : ignored | refused; };
    if (row == nullptr)
        return refused;
    switch (row->takes) {
    case Takes::nothing:
        return refused;
    case Takes::anything:
        return ignored;
    case Takes::only_bits:
        return only_if((value & ~row->bits) == 0);
    case Takes::direct:
        return surely_if((value & ~row->bits) == 0);
    case Takes::address:
        return surely_if((value + (u64{1} << 47)) >> 48 == 0);
    case Takes::apic_base:
        return only_if(takes_apic_base(value, before));
    case Takes::timer:
        return only_if((value & ~row->bits) == 0 && takes_timer_mode(value));
    case Takes::efer:
        return only_if(takes_efer(value, before));
    case Takes::memory_types: {
        if (row->bits != ~u64{0})
            return only_if((value & ~(row->bits | 0xff)) == 0 && is_memory_type(value & 0xff) && (value & 0xff) != 7);
        bool good = true;
        for (unsigned byte = 0; byte < 8; ++byte)
            good = good && is_memory_type(value >> 8 * byte & 0xff);
        return surely_if(good);
    }
    case Takes::icr: // physical and logical, all modes but 3 and 7
        return only_if((value & 0xfff32000) == 0 && (value & 0x300) != 0x300);
    case Takes::clock_page: // of system time bit 0 switches it on
        if ((number & 1) != 0 && (value & 1) == 0)
            return ignored;
        return value >= end_of_ram() ? refused : ignored | refused;
    }
    return refused;
}

} // namespace bulkhead::guest::attack
