// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "arch/x86_64/speculation.hpp"

#include "arch/x86_64/instructions.hpp"
#include "arch/x86_64/msr_numbers.hpp"

namespace bulkhead {

namespace {
constexpr u32 intel_ibrs_ibpb = 1u << 26;                       // CPUID 7 EDX
constexpr u32 intel_l1d_flush = 1u << 28;                       // CPUID 7 EDX
constexpr u32 intel_spec_ctrl = 1u << 26 | 1u << 27 | 1u << 31; // CPUID 7 EDX: IBRS, STIBP, SSBD
constexpr u32 amd_ibpb = 1u << 12;                              // CPUID 8000_0008h EBX
constexpr u32 amd_spec_ctrl = 1u << 14 | 1u << 15 | 1u << 24;   // IBRS, STIBP, SSBD
constexpr u32 rdtscp = 1u << 27;                                // CPUID 8000_0001h EDX

/// SDM 1 13.8.1: XSTATE_BV is 0, so that XRSTOR makes all state initial but MXCSR, which it reads.
struct alignas(64) InitialState {
    u16 fcw = 0x37f;
    u8 to_mxcsr[22]{};
    u32 mxcsr = 0x1f80;
    u8 rest[548]{};
};
static_assert(sizeof(InitialState) >= 576);
constexpr InitialState initial_state;

u32 structured_features() { return arch::cpuid(0).eax >= 7 ? arch::cpuid(7).edx : 0; }
} // namespace

void reset_extended_state(u64 xcr0_mask) {
    if (xcr0_mask == 0) {
        arch::fxrstor(&initial_state);
    } else {
        arch::write_xcr0(xcr0_mask);
        arch::xrstor(&initial_state, xcr0_mask);
        arch::write_xcr0(1);
    }
    if ((structured_features() & intel_spec_ctrl) != 0 || (arch::cpuid(0x80000008).ebx & amd_spec_ctrl) != 0)
        arch::write_msr(msr::IA32_SPEC_CTRL, 0);
    if ((arch::cpuid(0x80000001).edx & rdtscp) != 0)
        arch::write_msr(msr::TSC_AUX, 0);
}

void flush_branch_predictors() {
    if ((structured_features() & intel_ibrs_ibpb) != 0 || (arch::cpuid(0x80000008).ebx & amd_ibpb) != 0)
        arch::write_msr(msr::IA32_PRED_CMD, 1);
}

void flush_l1_data_cache() {
    if ((structured_features() & intel_l1d_flush) != 0)
        arch::write_msr(msr::IA32_FLUSH_CMD, 1);
}

} // namespace bulkhead
