// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// What of the host's CPUID a guest may see: an allow-list. A bit that no row names is 0, also one that a future CPU
// brings. Each row says what its bits need, so a bit is shown only together with what makes it work.
//
// Left out on purpose, where one might look for it:
//   MONITOR, MWAITX, WAITPKG        the instructions are intercepted: an idle guest halts
//   MCE, MCA, thermal, MPERF        the hypervisor's own: CR4.MCE is really 1, the guest has a shadow
//   VMX, SVM, SMX, SGX, SME, SEV    there is no nesting, and no memory that the hypervisor cannot reset
//   PMU (PDCM, 0xa), IBS, LBR, PT   counters show what neighbours do; DEBUGCTL is not switched
//   TSC_ADJUST                      the TSC is written through an exit only
//   XSAVES, CET, PT, LBR, UINTR     supervisor states: IA32_XSS is 0
//   AMX, MPX, APX                   XCR0 bits that we do not permit
//   TSX                             IA32_TSX_CTRL stays the hypervisor's
//   RDT, INVLPGB, ENQCMD, RDPRU     reach beyond the guest
//   LA57                            no guest maps 128 TiB; a nested walk of five by five levels only costs
//   LAM, UAI, LASS, FRED            change what addresses or events mean to code that walks tables for the guest
//   split and bus lock detection    the host's
#pragma once

#include <array>
#include <span>

#include "arch/x86_64/control_bits.hpp"
#include "arch/x86_64/cpuid.hpp"

namespace bulkhead {

/// What must be there for a row's bits to be shown.
enum class CpuidNeeds : u8 {
    Nothing,     ///< only registers that stay in the CPU, or facts about it
    Invpcid,     ///< SVM: nothing. VMX: the secondary control "enable INVPCID"
    Rdtscp,      ///< TSC_AUX direct. VMX: the secondary control "enable RDTSCP"
    TscDeadline, ///< IA32_TSC_DEADLINE direct while the vCPU's TSC offset is 0
    Xcr0,        ///< XSAVE: an XSETBV exit that checks XCR0, and leaf 0xd rewritten
    Xcr0Avx,     ///< XCR0.AVX permitted
    Xcr0Avx512,  ///< XCR0's three AVX-512 bits permitted
    Xcr0Pkru,    ///< XCR0.PKRU permitted; CR4.PKE
    Speculation, ///< SPEC_CTRL, PRED_CMD, FLUSH_CMD direct; ARCH_CAPABILITIES emulated; EFER.AIBRSE
};

struct CpuidRow {
    CpuidNeeds needs;
    std::span<const CpuFeature> features;
};

namespace cpuid_rows {
using enum CpuFeature;

inline constexpr std::array plain{
    // 1
    FPU, VME, DE, PSE, TSC, MSR, PAE, CX8, SEP, MTRR, PGE, CMOV, PAT, PSE36, CLFSH, MMX, FXSR, SSE, SSE2, SS, SSE3,
    PCLMULQDQ, SSSE3, CX16, PCID, SSE4_1, SSE4_2, MOVBE, POPCNT, AES, RDRAND,
    // 7
    FSGSBASE, BMI1, FDP_EXCPTN_ONLY, SMEP, BMI2, ERMS, ZERO_FCS_FDS, RDSEED, ADX, SMAP, CLFLUSHOPT, CLWB, SHA, UMIP,
    GFNI, CLDEMOTE, MOVDIRI, MOVDIR64B, FSRM, SERIALIZE, CMPCCXADD, FZRM, FSRS, FSRC, PREFETCHI,
    // 0x80000001, 7, 8, 0x21
    LahfSahf, AltMovCr8, ABM, SSE4A, MisAlignSse, PREFETCHW, TCE, TBM, TopologyExtensions, SYSCALL, NX, MmxExt, FFXSR,
    Page1GB, LM, Amd3DNowExt, Amd3DNow, TscInvariant, CLZERO, RstrFpErrPtrs, WBNOINVD, NoNestedDataBp,
    FsGsKernelGsBaseNonSerializing, NullSelectClearsBase, NoSmmCtlMSR, AmdFSRS, AmdFSRC, PrefetchI};
inline constexpr std::array invpcid{INVPCID};
inline constexpr std::array rdtscp{RDTSCP, RDPID};
inline constexpr std::array tsc_deadline{TSC_DEADLINE};
inline constexpr std::array xsave{XSAVE, XSAVEOPT, XSAVEC, XGETBV_ECX1};
inline constexpr std::array avx{AVX, F16C, FMA,      AVX2,          VAES,           VPCLMULQDQ,     AVX_VNNI, SHA512,
                                SM3, SM4,  AVX_IFMA, AVX_VNNI_INT8, AVX_NE_CONVERT, AVX_VNNI_INT16, XOP,      FMA4};
inline constexpr std::array avx512{AVX512F,     AVX512DQ,         AVX512_IFMA,        AVX512PF,      AVX512ER,
                                   AVX512CD,    AVX512BW,         AVX512VL,           AVX512_VBMI,   AVX512_VBMI2,
                                   AVX512_VNNI, AVX512_BITALG,    AVX512_4VNNIW,      AVX512_4FMAPS, AVX512_FP16,
                                   AVX512_BF16, AVX512_VPOPCNTDQ, AVX512_VP2INTERSECT};
inline constexpr std::array pku{PKU};
inline constexpr std::array speculation{MD_CLEAR,
                                        IBRS_IBPB,
                                        STIBP,
                                        L1D_FLUSH,
                                        ARCH_CAPABILITIES,
                                        SSBD,
                                        PSFD,
                                        IPRED_CTRL,
                                        RRSBA_CTRL,
                                        DDPD_U,
                                        BHI_CTRL,
                                        MCDT_NO,
                                        AmdIBPB,
                                        AmdIBRS,
                                        AmdSTIBP,
                                        IbrsAlwaysOn,
                                        StibpAlwaysOn,
                                        IbrsPreferred,
                                        IbrsSameMode,
                                        AmdSSBD,
                                        SsbdNotRequired,
                                        AmdPSFD,
                                        BTC_NO,
                                        IBPB_RET,
                                        LFenceAlwaysSerializing,
                                        AutomaticIBRS,
                                        SBPB,
                                        IBPB_BRTYPE,
                                        SRSO_NO};
} // namespace cpuid_rows

inline constexpr std::array<CpuidRow, 9> cpuid_policy{{
    {CpuidNeeds::Nothing, cpuid_rows::plain},
    {CpuidNeeds::Invpcid, cpuid_rows::invpcid},
    {CpuidNeeds::Rdtscp, cpuid_rows::rdtscp},
    {CpuidNeeds::TscDeadline, cpuid_rows::tsc_deadline},
    {CpuidNeeds::Xcr0, cpuid_rows::xsave},
    {CpuidNeeds::Xcr0Avx, cpuid_rows::avx},
    {CpuidNeeds::Xcr0Avx512, cpuid_rows::avx512},
    {CpuidNeeds::Xcr0Pkru, cpuid_rows::pku},
    {CpuidNeeds::Speculation, cpuid_rows::speculation},
}};

/// The bits of 0x80000001 EDX that repeat those of 1 EDX on AMD (APM 3 E.4.2). MCE and MCA are not among them.
inline constexpr u32 amd_repeated_edx = 0x0183'b37f;

/// Bits that a guest sees whatever the host says, since the hypervisor provides them itself.
namespace cpuid_always {
using enum CpuFeature;
// APIC: the host's is checked for at boot; the bit then follows IA32_APIC_BASE. x2APIC: emulated where the CPU has
// none. ARAT: a guest's HLT reaches no sleep state that stops the timer, and without the bit Linux uses no one-shot
// tick. EferLmsleUnsupported: on AMD, as EFER.LMSLE takes #GP.
inline constexpr std::array both{APIC, X2APIC, HYPERVISOR, ARAT};
inline constexpr std::array amd{EferLmsleUnsupported};
} // namespace cpuid_always

/// XCR0 bits that a guest may set where the host has them.
inline constexpr u64 permitted_xcr0 = xcr0::X87 | xcr0::SSE | xcr0::AVX | xcr0::AVX512 | xcr0::PKRU;

/// A leaf, beside those of feature bits and those that are rewritten, that is shown through a mask.
struct CpuidLeafRow {
    u32 leaf;
    CpuidRegisters mask;
    const char* what;
};

inline constexpr u32 all_bits = ~u32{0};
inline constexpr std::array cpuid_leaves{
    CpuidLeafRow{0x1, {all_bits, 0xffff, 0, 0}, "signature, brand, CLFLUSH size"},
    CpuidLeafRow{0x2, {all_bits, all_bits, all_bits, all_bits}, "cache and TLB descriptors"},
    CpuidLeafRow{0x15, {all_bits, all_bits, all_bits, 0}, "TSC and crystal clock: the TSC is not scaled"},
    CpuidLeafRow{0x16, {0xffff, 0xffff, 0xffff, 0}, "frequencies in MHz"},
    CpuidLeafRow{0x8000'0001, {all_bits, 0, 0, 0}, "signature"},
    CpuidLeafRow{0x8000'0002, {all_bits, all_bits, all_bits, all_bits}, "brand string"},
    CpuidLeafRow{0x8000'0003, {all_bits, all_bits, all_bits, all_bits}, "brand string"},
    CpuidLeafRow{0x8000'0004, {all_bits, all_bits, all_bits, all_bits}, "brand string"},
    CpuidLeafRow{0x8000'0005, {all_bits, all_bits, all_bits, all_bits}, "L1 caches and TLBs"},
    CpuidLeafRow{0x8000'0006, {all_bits, all_bits, all_bits, all_bits}, "L2, L3 caches and TLBs"},
    CpuidLeafRow{0x8000'0008, {0xff, 0, 0, 0}, "physical address bits"},
    CpuidLeafRow{0x8000'0019, {all_bits, all_bits, 0, 0}, "TLBs for 1 GiB pages"},
    CpuidLeafRow{0x8000'001a, {0x7, 0, 0, 0}, "width of the vector units"},
};

} // namespace bulkhead
