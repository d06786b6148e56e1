// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// The virtual machine control block (APM 2 appendix B). Names are the manual's.
#pragma once

#include "mm/address.hpp"

namespace bulkhead::svm {

/// APM 2 table B-1, offset 010h and before: what exits.
struct Intercepts {
    u16 cr_read = 0;
    u16 cr_write = 0;
    u16 dr_read = 0;
    u16 dr_write = 0;
    u32 exceptions = 0;
    u32 misc1 = 0;
    u32 misc2 = 0;
    u32 misc3 = 0;
};

enum Misc1 : u32 {
    INTERCEPT_NMI = 1u << 1,
    INTERCEPT_INIT = 1u << 3,
    INTERCEPT_CR0_SEL_WRITE = 1u << 5,
    INTERCEPT_RDTSC = 1u << 14,
    INTERCEPT_RDPMC = 1u << 15,
    INTERCEPT_CPUID = 1u << 18,
    INTERCEPT_IRET = 1u << 20,
    INTERCEPT_INVD = 1u << 22,
    INTERCEPT_INVLPGA = 1u << 26,
    INTERCEPT_IOIO_PROT = 1u << 27,
    INTERCEPT_MSR_PROT = 1u << 28,
    INTERCEPT_FERR_FREEZE = 1u << 30,
    INTERCEPT_SHUTDOWN = 1u << 31,
};

enum Misc2 : u32 {
    INTERCEPT_VMRUN = 1u << 0,
    INTERCEPT_VMMCALL = 1u << 1,
    INTERCEPT_VMLOAD = 1u << 2,
    INTERCEPT_VMSAVE = 1u << 3,
    INTERCEPT_STGI = 1u << 4,
    INTERCEPT_CLGI = 1u << 5,
    INTERCEPT_SKINIT = 1u << 6,
    INTERCEPT_WBINVD = 1u << 9,
    INTERCEPT_MONITOR = 1u << 10,
    INTERCEPT_MWAIT = 1u << 11,
    INTERCEPT_MWAIT_ARMED = 1u << 12,
    INTERCEPT_XSETBV = 1u << 13,
    INTERCEPT_RDPRU = 1u << 14,
};

enum Misc3 : u32 {
    INTERCEPT_INVLPGB = 1u << 0,
    INTERCEPT_INVLPGB_ILLEGAL = 1u << 1,
    INTERCEPT_MCOMMIT = 1u << 3,
    INTERCEPT_TLBSYNC = 1u << 4,
};

/// APM 2 15.16.1.
enum TlbControl : u8 { TLB_DO_NOTHING = 0, TLB_FLUSH_ALL = 1, TLB_FLUSH_ASID = 3 };

struct ControlArea {
    Intercepts intercepts;
    u8 reserved0[0x3c - 0x18]{};
    u16 pause_filter_threshold = 0;
    u16 pause_filter_count = 0;
    u64 iopm_base_pa = 0;
    u64 msrpm_base_pa = 0;
    u64 tsc_offset = 0;
    u32 guest_asid = 0;
    u8 tlb_control = 0;
    u8 reserved1[3]{};
    u64 vintr = 0;
    u64 interrupt_shadow = 0; ///< bit 0; bit 1 is the guest's masked-interrupt state
    u64 exitcode = 0;
    u64 exitinfo1 = 0;
    u64 exitinfo2 = 0;
    u64 exitintinfo = 0;
    u64 np_enable = 0;
    u64 avic_apic_bar = 0;
    u64 ghcb = 0;
    u64 eventinj = 0;
    u64 n_cr3 = 0;
    u64 lbr_virtualization_enable = 0;
    u32 vmcb_clean = 0;
    u32 reserved2 = 0;
    u64 nrip = 0;
    u8 bytes_fetched = 0;
    u8 instruction_bytes[15]{};
    u8 reserved3[0x400 - 0xe0]{};
};

struct Segment {
    u16 selector = 0;
    u16 attributes = 0; ///< descriptor bits 55:52 and 47:40 in one
    u32 limit = 0;
    u64 base = 0;
};

struct SaveArea {
    Segment es, cs, ss, ds, fs, gs, gdtr, ldtr, idtr, tr;
    u8 reserved0[0x4cb - 0x4a0]{};
    u8 cpl = 0;
    u32 reserved1 = 0;
    u64 efer = 0;
    u8 reserved2[0x548 - 0x4d8]{};
    u64 cr4 = 0;
    u64 cr3 = 0;
    u64 cr0 = 0;
    u64 dr7 = 0;
    u64 dr6 = 0;
    u64 rflags = 0;
    u64 rip = 0;
    u8 reserved3[0x5d8 - 0x580]{};
    u64 rsp = 0;
    u64 s_cet = 0;
    u64 ssp = 0;
    u64 isst_addr = 0;
    u64 rax = 0;
    u64 star = 0;
    u64 lstar = 0;
    u64 cstar = 0;
    u64 sfmask = 0;
    u64 kernel_gs_base = 0;
    u64 sysenter_cs = 0;
    u64 sysenter_esp = 0;
    u64 sysenter_eip = 0;
    u64 cr2 = 0;
    u8 reserved4[0x668 - 0x648]{};
    u64 g_pat = 0;
    u64 dbgctl = 0;
    u8 reserved5[0x6e0 - 0x678]{};
    u64 spec_ctrl = 0; ///< in force in the guest, where the CPU virtualizes SPEC_CTRL (CPUID 8000_000Ah EDX[20])
    u8 reserved6[0xc00 - 0x6e8]{};
};

struct alignas(page_size) Vmcb {
    ControlArea control;
    SaveArea save;
};

// APM 2 appendix B, tables B-1 and B-2 (tests/unit/svm/vmcb_test.cpp has the offsets).
static_assert(sizeof(Vmcb) == page_size);

/// APM 2 15.20: EVENTINJ and EXITINTINFO.
enum class EventType : u64 { ExternalInterrupt = 0, Nmi = 2, Exception = 3, SoftwareInterrupt = 4 };
inline constexpr u64 event_valid = u64{1} << 31;
inline constexpr u64 event_error_code_valid = u64{1} << 11;

/// APM 2 appendix C.
enum ExitCode : u64 {
    VMEXIT_CR0_READ = 0x00,
    VMEXIT_CR0_WRITE = 0x10,
    VMEXIT_EXCP_DB = 0x41,
    VMEXIT_EXCP_TS = 0x4a,
    VMEXIT_EXCP_PF = 0x4e,
    VMEXIT_EXCP_AC = 0x51,
    VMEXIT_EXCP_MC = 0x52,
    VMEXIT_NMI = 0x61,
    VMEXIT_INIT = 0x63,
    VMEXIT_CR0_SEL_WRITE = 0x65,
    VMEXIT_RDTSC = 0x6e,
    VMEXIT_RDPMC = 0x6f,
    VMEXIT_CPUID = 0x72,
    VMEXIT_IRET = 0x74,
    VMEXIT_INVD = 0x76,
    VMEXIT_INVLPGA = 0x7a,
    VMEXIT_IOIO = 0x7b,
    VMEXIT_MSR = 0x7c,
    VMEXIT_FERR_FREEZE = 0x7e,
    VMEXIT_SHUTDOWN = 0x7f,
    VMEXIT_VMRUN = 0x80,
    VMEXIT_VMMCALL = 0x81,
    VMEXIT_VMLOAD = 0x82,
    VMEXIT_VMSAVE = 0x83,
    VMEXIT_STGI = 0x84,
    VMEXIT_CLGI = 0x85,
    VMEXIT_SKINIT = 0x86,
    VMEXIT_WBINVD = 0x89,
    VMEXIT_MONITOR = 0x8a,
    VMEXIT_MWAIT = 0x8b,
    VMEXIT_MWAIT_CONDITIONAL = 0x8c,
    VMEXIT_XSETBV = 0x8d,
    VMEXIT_RDPRU = 0x8e,
    VMEXIT_INVLPGB = 0xa0,
    VMEXIT_INVLPGB_ILLEGAL = 0xa1,
    VMEXIT_MCOMMIT = 0xa3,
    VMEXIT_TLBSYNC = 0xa4,
    VMEXIT_NPF = 0x400,
    VMEXIT_INVALID = ~u64{0},
};

} // namespace bulkhead::svm
