// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// Facts of the CPUID instruction (SDM 2A "CPUID", APM 3 Appendix E). What a guest sees of them is boot/guest/cpuid.
#pragma once

#include <concepts>
#include <memory>
#include <string_view>
#include <type_traits>

#include "base/types.hpp"

namespace bulkhead {

/// Without initializers of its own: an array of them would be initialized in a loop.
struct CpuidRegisters {
    u32 eax;
    u32 ebx;
    u32 ecx;
    u32 edx;
    friend constexpr bool operator==(const CpuidRegisters&, const CpuidRegisters&) = default;
};

/// How CPUID is read: the instruction, or a recording in a test. A reference: the callable must outlive it.
class CpuidSource {
public:
    template <class Callable>
        requires(!std::same_as<Callable, CpuidSource> && std::is_invocable_r_v<CpuidRegisters, Callable&, u32, u32>)
    explicit(false) CpuidSource(Callable& callable)
        : object_(const_cast<void*>(static_cast<const void*>(std::addressof(callable)))),
          call_([](void* object, u32 leaf, u32 subleaf) -> CpuidRegisters {
              return (*static_cast<Callable*>(object))(leaf, subleaf);
          }) {}
    CpuidRegisters operator()(u32 leaf, u32 subleaf = 0) const { return call_(object_, leaf, subleaf); }

private:
    void* object_;
    CpuidRegisters (*call_)(void*, u32, u32);
};

/// A register of CPUID that holds feature bits. A CpuFeature is 32 times the word's number plus the bit.
enum class CpuidWord : u8 {
    Leaf1Ecx,
    Leaf1Edx,
    Leaf6Eax,
    Leaf7Ebx,
    Leaf7Ecx,
    Leaf7Edx,
    Leaf7Sub1Eax,
    Leaf7Sub1Edx,
    Leaf7Sub2Edx,
    LeafDSub1Eax,
    Extended1Ecx,
    Extended1Edx,
    Extended7Edx,
    Extended8Ebx,
    ExtendedAEdx,
    Extended21Eax,
};
inline constexpr u16 cpuid_words = 16;

struct CpuidLocation {
    u32 leaf;
    u32 subleaf;
    u32 CpuidRegisters::* reg;
};

constexpr CpuidLocation location(CpuidWord word) {
    switch (word) {
    case CpuidWord::Leaf1Ecx:
        return {1, 0, &CpuidRegisters::ecx};
    case CpuidWord::Leaf1Edx:
        return {1, 0, &CpuidRegisters::edx};
    case CpuidWord::Leaf6Eax:
        return {6, 0, &CpuidRegisters::eax};
    case CpuidWord::Leaf7Ebx:
        return {7, 0, &CpuidRegisters::ebx};
    case CpuidWord::Leaf7Ecx:
        return {7, 0, &CpuidRegisters::ecx};
    case CpuidWord::Leaf7Edx:
        return {7, 0, &CpuidRegisters::edx};
    case CpuidWord::Leaf7Sub1Eax:
        return {7, 1, &CpuidRegisters::eax};
    case CpuidWord::Leaf7Sub1Edx:
        return {7, 1, &CpuidRegisters::edx};
    case CpuidWord::Leaf7Sub2Edx:
        return {7, 2, &CpuidRegisters::edx};
    case CpuidWord::LeafDSub1Eax:
        return {0xd, 1, &CpuidRegisters::eax};
    case CpuidWord::Extended1Ecx:
        return {0x8000'0001, 0, &CpuidRegisters::ecx};
    case CpuidWord::Extended1Edx:
        return {0x8000'0001, 0, &CpuidRegisters::edx};
    case CpuidWord::Extended7Edx:
        return {0x8000'0007, 0, &CpuidRegisters::edx};
    case CpuidWord::Extended8Ebx:
        return {0x8000'0008, 0, &CpuidRegisters::ebx};
    case CpuidWord::ExtendedAEdx:
        return {0x8000'000a, 0, &CpuidRegisters::edx};
    case CpuidWord::Extended21Eax:
        return {0x8000'0021, 0, &CpuidRegisters::eax};
    }
    return {};
}

namespace cpuid_word {
// Where the words' bits start in CpuFeature.
constexpr u16 at(CpuidWord word) { return static_cast<u16>(32 * static_cast<u16>(word)); }
inline constexpr u16 c1 = at(CpuidWord::Leaf1Ecx), d1 = at(CpuidWord::Leaf1Edx), a6 = at(CpuidWord::Leaf6Eax),
                     b7 = at(CpuidWord::Leaf7Ebx), c7 = at(CpuidWord::Leaf7Ecx), d7 = at(CpuidWord::Leaf7Edx),
                     a71 = at(CpuidWord::Leaf7Sub1Eax), d71 = at(CpuidWord::Leaf7Sub1Edx),
                     d72 = at(CpuidWord::Leaf7Sub2Edx), ad1 = at(CpuidWord::LeafDSub1Eax),
                     c81 = at(CpuidWord::Extended1Ecx), d81 = at(CpuidWord::Extended1Edx),
                     d87 = at(CpuidWord::Extended7Edx), b88 = at(CpuidWord::Extended8Ebx),
                     d8a = at(CpuidWord::ExtendedAEdx), a821 = at(CpuidWord::Extended21Eax);
} // namespace cpuid_word

// clang-format off
/// Feature bits by the manuals' names. Only those that some code or table of ours speaks of.
enum class CpuFeature : u16 {
    // 1 ECX
    SSE3 = cpuid_word::c1 + 0, PCLMULQDQ = cpuid_word::c1 + 1, MONITOR = cpuid_word::c1 + 3, VMX = cpuid_word::c1 + 5,
    SSSE3 = cpuid_word::c1 + 9, FMA = cpuid_word::c1 + 12, CX16 = cpuid_word::c1 + 13, PDCM = cpuid_word::c1 + 15,
    PCID = cpuid_word::c1 + 17, SSE4_1 = cpuid_word::c1 + 19, SSE4_2 = cpuid_word::c1 + 20,
    X2APIC = cpuid_word::c1 + 21, MOVBE = cpuid_word::c1 + 22, POPCNT = cpuid_word::c1 + 23,
    TSC_DEADLINE = cpuid_word::c1 + 24, AES = cpuid_word::c1 + 25, XSAVE = cpuid_word::c1 + 26,
    OSXSAVE = cpuid_word::c1 + 27, AVX = cpuid_word::c1 + 28, F16C = cpuid_word::c1 + 29, RDRAND = cpuid_word::c1 + 30,
    HYPERVISOR = cpuid_word::c1 + 31,
    // 1 EDX
    FPU = cpuid_word::d1 + 0, VME = cpuid_word::d1 + 1, DE = cpuid_word::d1 + 2, PSE = cpuid_word::d1 + 3,
    TSC = cpuid_word::d1 + 4, MSR = cpuid_word::d1 + 5, PAE = cpuid_word::d1 + 6, MCE = cpuid_word::d1 + 7,
    CX8 = cpuid_word::d1 + 8, APIC = cpuid_word::d1 + 9, SEP = cpuid_word::d1 + 11, MTRR = cpuid_word::d1 + 12,
    PGE = cpuid_word::d1 + 13, MCA = cpuid_word::d1 + 14, CMOV = cpuid_word::d1 + 15, PAT = cpuid_word::d1 + 16,
    PSE36 = cpuid_word::d1 + 17, CLFSH = cpuid_word::d1 + 19, MMX = cpuid_word::d1 + 23, FXSR = cpuid_word::d1 + 24,
    SSE = cpuid_word::d1 + 25, SSE2 = cpuid_word::d1 + 26, SS = cpuid_word::d1 + 27, HTT = cpuid_word::d1 + 28,
    // 6 EAX
    ARAT = cpuid_word::a6 + 2,
    // 7 EBX
    FSGSBASE = cpuid_word::b7 + 0, TSC_ADJUST = cpuid_word::b7 + 1, BMI1 = cpuid_word::b7 + 3,
    AVX2 = cpuid_word::b7 + 5, FDP_EXCPTN_ONLY = cpuid_word::b7 + 6, SMEP = cpuid_word::b7 + 7,
    BMI2 = cpuid_word::b7 + 8, ERMS = cpuid_word::b7 + 9, INVPCID = cpuid_word::b7 + 10,
    ZERO_FCS_FDS = cpuid_word::b7 + 13, AVX512F = cpuid_word::b7 + 16, AVX512DQ = cpuid_word::b7 + 17,
    RDSEED = cpuid_word::b7 + 18, ADX = cpuid_word::b7 + 19, SMAP = cpuid_word::b7 + 20,
    AVX512_IFMA = cpuid_word::b7 + 21, CLFLUSHOPT = cpuid_word::b7 + 23, CLWB = cpuid_word::b7 + 24,
    AVX512PF = cpuid_word::b7 + 26, AVX512ER = cpuid_word::b7 + 27, AVX512CD = cpuid_word::b7 + 28,
    SHA = cpuid_word::b7 + 29, AVX512BW = cpuid_word::b7 + 30, AVX512VL = cpuid_word::b7 + 31,
    // 7 ECX
    AVX512_VBMI = cpuid_word::c7 + 1, UMIP = cpuid_word::c7 + 2, PKU = cpuid_word::c7 + 3, OSPKE = cpuid_word::c7 + 4,
    AVX512_VBMI2 = cpuid_word::c7 + 6, GFNI = cpuid_word::c7 + 8, VAES = cpuid_word::c7 + 9,
    VPCLMULQDQ = cpuid_word::c7 + 10, AVX512_VNNI = cpuid_word::c7 + 11, AVX512_BITALG = cpuid_word::c7 + 12,
    AVX512_VPOPCNTDQ = cpuid_word::c7 + 14, LA57 = cpuid_word::c7 + 16, RDPID = cpuid_word::c7 + 22,
    CLDEMOTE = cpuid_word::c7 + 25, MOVDIRI = cpuid_word::c7 + 27, MOVDIR64B = cpuid_word::c7 + 28,
    // 7 EDX
    AVX512_4VNNIW = cpuid_word::d7 + 2, AVX512_4FMAPS = cpuid_word::d7 + 3, FSRM = cpuid_word::d7 + 4,
    AVX512_VP2INTERSECT = cpuid_word::d7 + 8, MD_CLEAR = cpuid_word::d7 + 10, SERIALIZE = cpuid_word::d7 + 14,
    AVX512_FP16 = cpuid_word::d7 + 23, IBRS_IBPB = cpuid_word::d7 + 26, STIBP = cpuid_word::d7 + 27,
    L1D_FLUSH = cpuid_word::d7 + 28, ARCH_CAPABILITIES = cpuid_word::d7 + 29, SSBD = cpuid_word::d7 + 31,
    // 7.1 EAX, 7.1 EDX, 7.2 EDX, 0xd.1 EAX
    SHA512 = cpuid_word::a71 + 0, SM3 = cpuid_word::a71 + 1, SM4 = cpuid_word::a71 + 2,
    AVX_VNNI = cpuid_word::a71 + 4, AVX512_BF16 = cpuid_word::a71 + 5, CMPCCXADD = cpuid_word::a71 + 7,
    FZRM = cpuid_word::a71 + 10, FSRS = cpuid_word::a71 + 11, FSRC = cpuid_word::a71 + 12,
    AVX_IFMA = cpuid_word::a71 + 23, AVX_VNNI_INT8 = cpuid_word::d71 + 4, AVX_NE_CONVERT = cpuid_word::d71 + 5,
    AVX_VNNI_INT16 = cpuid_word::d71 + 10, PREFETCHI = cpuid_word::d71 + 14, PSFD = cpuid_word::d72 + 0,
    IPRED_CTRL = cpuid_word::d72 + 1, RRSBA_CTRL = cpuid_word::d72 + 2, DDPD_U = cpuid_word::d72 + 3,
    BHI_CTRL = cpuid_word::d72 + 4, MCDT_NO = cpuid_word::d72 + 5, XSAVEOPT = cpuid_word::ad1 + 0,
    XSAVEC = cpuid_word::ad1 + 1, XGETBV_ECX1 = cpuid_word::ad1 + 2, XSAVES = cpuid_word::ad1 + 3,
    // 0x80000001 ECX
    LahfSahf = cpuid_word::c81 + 0, CmpLegacy = cpuid_word::c81 + 1, SVM = cpuid_word::c81 + 2,
    AltMovCr8 = cpuid_word::c81 + 4, ABM = cpuid_word::c81 + 5, SSE4A = cpuid_word::c81 + 6,
    MisAlignSse = cpuid_word::c81 + 7, PREFETCHW = cpuid_word::c81 + 8, XOP = cpuid_word::c81 + 11,
    FMA4 = cpuid_word::c81 + 16, TCE = cpuid_word::c81 + 17, TBM = cpuid_word::c81 + 21,
    TopologyExtensions = cpuid_word::c81 + 22,
    // 0x80000001 EDX (bits that repeat 1 EDX on AMD have no names of their own)
    SYSCALL = cpuid_word::d81 + 11, NX = cpuid_word::d81 + 20, MmxExt = cpuid_word::d81 + 22,
    FFXSR = cpuid_word::d81 + 25, Page1GB = cpuid_word::d81 + 26, RDTSCP = cpuid_word::d81 + 27,
    LM = cpuid_word::d81 + 29, Amd3DNowExt = cpuid_word::d81 + 30, Amd3DNow = cpuid_word::d81 + 31,
    // 0x80000007 EDX, 0x80000008 EBX
    TscInvariant = cpuid_word::d87 + 8, CLZERO = cpuid_word::b88 + 0, RstrFpErrPtrs = cpuid_word::b88 + 2,
    WBNOINVD = cpuid_word::b88 + 9, AmdIBPB = cpuid_word::b88 + 12, AmdIBRS = cpuid_word::b88 + 14,
    AmdSTIBP = cpuid_word::b88 + 15, IbrsAlwaysOn = cpuid_word::b88 + 16, StibpAlwaysOn = cpuid_word::b88 + 17,
    IbrsPreferred = cpuid_word::b88 + 18, IbrsSameMode = cpuid_word::b88 + 19,
    EferLmsleUnsupported = cpuid_word::b88 + 20, AmdSSBD = cpuid_word::b88 + 24, SsbdNotRequired = cpuid_word::b88 + 26,
    AmdPSFD = cpuid_word::b88 + 28, BTC_NO = cpuid_word::b88 + 29, IBPB_RET = cpuid_word::b88 + 30,
    // 0x8000000a EDX: what SVM can do
    NP = cpuid_word::d8a + 0, LbrVirt = cpuid_word::d8a + 1, SVML = cpuid_word::d8a + 2, NRIPS = cpuid_word::d8a + 3,
    TscRateMsr = cpuid_word::d8a + 4, VmcbClean = cpuid_word::d8a + 5, FlushByAsid = cpuid_word::d8a + 6,
    DecodeAssists = cpuid_word::d8a + 7, PauseFilter = cpuid_word::d8a + 10, AVIC = cpuid_word::d8a + 13,
    VGIF = cpuid_word::d8a + 16, SpecCtrlVirt = cpuid_word::d8a + 20, VNMI = cpuid_word::d8a + 25,
    // 0x80000021 EAX
    NoNestedDataBp = cpuid_word::a821 + 0, FsGsKernelGsBaseNonSerializing = cpuid_word::a821 + 1,
    LFenceAlwaysSerializing = cpuid_word::a821 + 2, NullSelectClearsBase = cpuid_word::a821 + 6,
    AutomaticIBRS = cpuid_word::a821 + 8, NoSmmCtlMSR = cpuid_word::a821 + 9, AmdFSRS = cpuid_word::a821 + 10,
    AmdFSRC = cpuid_word::a821 + 11, PrefetchI = cpuid_word::a821 + 20, SBPB = cpuid_word::a821 + 27,
    IBPB_BRTYPE = cpuid_word::a821 + 28, SRSO_NO = cpuid_word::a821 + 29,
};
// clang-format on

constexpr CpuidWord word_of(CpuFeature feature) { return static_cast<CpuidWord>(static_cast<u16>(feature) / 32); }
constexpr u32 bit_of(CpuFeature feature) { return u32{1} << (static_cast<u16>(feature) % 32); }

/// Whose MSRs and CPUID leaves the CPU has. Hygon's are AMD's, Zhaoxin's and Centaur's are Intel's.
enum class CpuVendor : u8 { Unknown, Intel, Amd };

constexpr CpuVendor vendor_of(const CpuidRegisters& leaf_0) {
    struct Name {
        char text[13]; // as EBX, EDX, ECX spell it
        CpuVendor vendor;
    };
    constexpr Name names[] = {{"GenuineIntel", CpuVendor::Intel},
                              {"AuthenticAMD", CpuVendor::Amd},
                              {"HygonGenuine", CpuVendor::Amd},
                              {"CentaurHauls", CpuVendor::Intel},
                              {"  Shanghai  ", CpuVendor::Intel}};
    for (const Name& name : names) {
        const u32 words[] = {leaf_0.ebx, leaf_0.edx, leaf_0.ecx};
        bool equal = true;
        for (unsigned i = 0; i < 12; ++i)
            equal = equal && static_cast<char>(words[i / 4] >> (8 * (i % 4))) == name.text[i];
        if (equal)
            return name.vendor;
    }
    return CpuVendor::Unknown;
}

/// CPUID with what is above the highest leaf read as 0 (Intel answers with the highest leaf's data there).
[[gnu::noinline]] inline CpuidRegisters read_valid_leaf(CpuidSource cpuid, u32 leaf, u32 subleaf = 0) {
    const u32 range = leaf & 0xffff'0000;
    const u32 highest = cpuid(range).eax;
    if (highest < leaf || highest > range + 0xffff)
        return {};
    if (leaf == 7 && subleaf > 0 && subleaf > cpuid(7, 0).eax)
        return {};
    return cpuid(leaf, subleaf);
}

inline u32 read_word(CpuidSource cpuid, CpuidWord word) {
    const CpuidLocation at = location(word);
    return read_valid_leaf(cpuid, at.leaf, at.subleaf).*at.reg;
}

/// Whether the CPU that `cpuid` reads has a feature; false where its leaf does not exist.
inline bool has_feature(CpuidSource cpuid, CpuFeature feature) {
    return (read_word(cpuid, word_of(feature)) & bit_of(feature)) != 0;
}

} // namespace bulkhead
