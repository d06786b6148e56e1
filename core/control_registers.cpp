// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "core/control_registers.hpp"

#include <array>

namespace bulkhead {

namespace {

struct ControlBit {
    u64 bits;
    CpuFeature feature;
};

/// A bit of CR4 is reserved where the guest is not shown the feature. (SDM 3A 2.5)
constexpr std::array cr4_bits{
    ControlBit{cr4::VME | cr4::PVI, CpuFeature::VME},
    ControlBit{cr4::TSD, CpuFeature::TSC},
    ControlBit{cr4::DE, CpuFeature::DE},
    ControlBit{cr4::PSE, CpuFeature::PSE},
    ControlBit{cr4::PAE, CpuFeature::PAE},
    ControlBit{cr4::PGE, CpuFeature::PGE},
    ControlBit{cr4::OSFXSR, CpuFeature::FXSR},
    ControlBit{cr4::OSXMMEXCPT, CpuFeature::SSE},
    ControlBit{cr4::UMIP, CpuFeature::UMIP},
    ControlBit{cr4::FSGSBASE, CpuFeature::FSGSBASE},
    ControlBit{cr4::PCIDE, CpuFeature::PCID},
    ControlBit{cr4::OSXSAVE, CpuFeature::XSAVE},
    ControlBit{cr4::SMEP, CpuFeature::SMEP},
    ControlBit{cr4::SMAP, CpuFeature::SMAP},
    ControlBit{cr4::PKE, CpuFeature::PKU},
};
/// MCE is a shadow, RDPMC is intercepted: both can be set without a feature.
constexpr u64 cr4_always = cr4::MCE | cr4::PCE;

/// LMA is read-only: a write leaves it as it is.
constexpr std::array efer_bits{
    ControlBit{efer::SCE, CpuFeature::SYSCALL}, ControlBit{efer::LME | efer::LMA, CpuFeature::LM},
    ControlBit{efer::NXE, CpuFeature::NX},      ControlBit{efer::FFXSR, CpuFeature::FFXSR},
    ControlBit{efer::TCE, CpuFeature::TCE},     ControlBit{efer::AIBRSE, CpuFeature::AutomaticIBRS},
};

template <std::size_t N> u64 allowed(const std::array<ControlBit, N>& table, const GuestCpuid& cpuid) {
    u64 bits = 0;
    for (const ControlBit& row : table)
        bits |= cpuid.has(row.feature) ? row.bits : 0;
    return bits;
}

} // namespace

std::optional<ControlUpdate> write_cr0(const GuestControls& now, u64 value, bool code_is_64_bit) {
    constexpr u64 defined =
        cr0::PE | cr0::MP | cr0::EM | cr0::TS | cr0::ET | cr0::NE | cr0::WP | cr0::AM | cr0::NW | cr0::CD | cr0::PG;
    if (value >> 32 != 0)
        return std::nullopt;
    value = (value & defined) | cr0::ET; // reserved bits in the lower half stay 0, ET stays 1
    const bool paging = (value & cr0::PG) != 0;
    if (paging && (value & cr0::PE) == 0)
        return std::nullopt;
    if ((value & (cr0::NW | cr0::CD)) == cr0::NW)
        return std::nullopt;
    ControlUpdate update{.controls = now};
    update.controls.cr0 = value;
    if (((value ^ now.cr0) & cr0::PG) == 0)
        return update;
    if (!paging) {
        if (code_is_64_bit || (now.cr4 & cr4::PCIDE) != 0)
            return std::nullopt;
        update.controls.efer &= ~efer::LMA;
        return update;
    }
    if ((now.efer & efer::LME) != 0) {
        if ((now.cr4 & cr4::PAE) == 0 || code_is_64_bit)
            return std::nullopt;
        update.controls.efer |= efer::LMA;
    }
    return update;
}

std::optional<ControlUpdate> write_cr4(const GuestControls& now, u64 value, const GuestCpuid& cpuid) {
    if ((value & ~(cr4_always | allowed(cr4_bits, cpuid))) != 0)
        return std::nullopt;
    const u64 changed = value ^ now.cr4;
    const bool long_mode = (now.efer & efer::LMA) != 0;
    if (long_mode && (value & cr4::PAE) == 0)
        return std::nullopt;
    if ((changed & value & cr4::PCIDE) != 0 && (!long_mode || (now.cr3 & 0xfff) != 0))
        return std::nullopt;
    ControlUpdate update{.controls = now};
    update.controls.cr4 = value;
    update.cpuid_changes = (changed & (cr4::OSXSAVE | cr4::PKE)) != 0;
    return update;
}

std::optional<ControlUpdate> write_efer(const GuestControls& now, u64 value, const GuestCpuid& cpuid) {
    if ((value & ~allowed(efer_bits, cpuid)) != 0)
        return std::nullopt;
    value = (value & ~efer::LMA) | (now.efer & efer::LMA);
    if (((value ^ now.efer) & efer::LME) != 0 && (now.cr0 & cr0::PG) != 0)
        return std::nullopt;
    ControlUpdate update{.controls = now};
    update.controls.efer = value;
    return update;
}

bool is_valid_xcr0(u64 value, u64 mask) {
    const u64 avx512 = value & xcr0::AVX512;
    return (value & ~mask) == 0 && (value & xcr0::X87) != 0 && ((value & xcr0::AVX) == 0 || (value & xcr0::SSE) != 0) &&
           (avx512 == 0 || (avx512 == xcr0::AVX512 && (value & xcr0::AVX) != 0));
}

} // namespace bulkhead
