// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#pragma once

#include "core/guest_cpuid.hpp"

namespace bulkhead {

/// What the CPUID of a vCPU depends on beside the host's.
struct GuestCpuidParameters {
    u32 virtual_apic_id = 0; ///< 0 to cpu_count - 1
    u32 cpu_count = 1;       ///< the guest's vCPUs: cores with one thread each, in one package
    u64 tsc_hz = 0;
    u64 apic_bus_hz = 0;       ///< what the APIC timer counts before its divider
    bool invpcid_works = true; ///< VMX: the control "enable INVPCID" is on
    bool rdtscp_works = true;  ///< VMX: the control "enable RDTSCP" is on
};

/// `host` is a CPU such as the vCPU will run on. The policy is boot/guest/cpuid_policy.hpp.
[[nodiscard]] GuestCpuid make_guest_cpuid(CpuidSource host, const GuestCpuidParameters& parameters);

} // namespace bulkhead
