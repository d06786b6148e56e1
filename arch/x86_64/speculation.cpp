// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "arch/x86_64/speculation.hpp"

#include "arch/x86_64/instructions.hpp"
#include "arch/x86_64/msr_numbers.hpp"

namespace bulkhead {

namespace {
constexpr u32 intel_ibrs_ibpb = 1u << 26; // CPUID 7 EDX
constexpr u32 intel_l1d_flush = 1u << 28; // CPUID 7 EDX
constexpr u32 amd_ibpb = 1u << 12;        // CPUID 8000_0008h EBX

u32 structured_features() { return arch::cpuid(0).eax >= 7 ? arch::cpuid(7).edx : 0; }
} // namespace

void flush_branch_predictors() {
    if ((structured_features() & intel_ibrs_ibpb) != 0 || (arch::cpuid(0x80000008).ebx & amd_ibpb) != 0)
        arch::write_msr(msr::IA32_PRED_CMD, 1);
}

void flush_l1_data_cache() {
    if ((structured_features() & intel_l1d_flush) != 0)
        arch::write_msr(msr::IA32_FLUSH_CMD, 1);
}

} // namespace bulkhead
