// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#pragma once

#include "core/msr_emulation.hpp"

namespace bulkhead {

/// What of core/msr_policy.hpp a guest with this CPUID has, on a host with or without x2APIC.
[[nodiscard]] MsrConditions msr_conditions(const GuestCpuid& cpuid, bool host_has_x2apic);

/// A vCPU's state at its start. `host_microcode` and `host_arch_capabilities` are those MSRs' values, 0 without them.
[[nodiscard]] MsrState initial_msr_state(const GuestCpuid& cpuid, bool host_has_x2apic, u64 host_microcode,
                                         u64 host_arch_capabilities);

/// Bits of IA32_ARCH_CAPABILITIES that are facts about the CPU; those that promise further MSRs are not here.
inline constexpr u64 allowed_arch_capabilities = 0b111u |       // RDCL_NO, IBRS_ALL, RSBA
                                                 0b111u << 4 |  // SSB_NO, MDS_NO, IF_PSCHANGE_MC_NO
                                                 1u << 8 |      // TAA_NO
                                                 0b111u << 13 | // SBDR_SSDP_NO, FBSDP_NO, PSDP_NO
                                                 1u << 17 |     // FB_CLEAR
                                                 0b11u << 19 |  // RRSBA, BHI_NO
                                                 1u << 24 |     // PBRSB_NO
                                                 0b111u << 26 | // GDS_NO, RFDS_NO, RFDS_CLEAR
                                                 u64{1} << 62;  // ITS_NO

} // namespace bulkhead
