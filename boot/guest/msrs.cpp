// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "boot/guest/msrs.hpp"

namespace bulkhead {

MsrConditions msr_conditions(const GuestCpuid& cpuid, bool host_has_x2apic) {
    using enum CpuFeature;
    MsrConditions conditions;
    const auto set_if = [&conditions](bool met, MsrNeeds needs) {
        if (met)
            conditions.set(needs);
    };
    set_if(cpuid.vendor == CpuVendor::Intel, MsrNeeds::IntelCpu);
    set_if(cpuid.vendor == CpuVendor::Amd, MsrNeeds::AmdCpu);
    set_if(host_has_x2apic, MsrNeeds::X2apic);
    set_if(host_has_x2apic, MsrNeeds::DirectCounts);
    set_if(host_has_x2apic, MsrNeeds::DirectEoi);
    set_if(cpuid.has(TSC_DEADLINE), MsrNeeds::TscDeadline);
    set_if(cpuid.has(RDTSCP) || cpuid.has(RDPID), MsrNeeds::Rdtscp);
    set_if(cpuid.has(IBRS_IBPB) || cpuid.has(STIBP) || cpuid.has(SSBD) || cpuid.has(AmdIBRS) || cpuid.has(AmdSTIBP) ||
               cpuid.has(AmdSSBD) || cpuid.has(AmdPSFD),
           MsrNeeds::SpecCtrl);
    set_if(cpuid.has(IBRS_IBPB) || cpuid.has(AmdIBPB) || cpuid.has(SBPB), MsrNeeds::PredCmd);
    set_if(cpuid.has(L1D_FLUSH), MsrNeeds::FlushCmd);
    set_if(cpuid.has(ARCH_CAPABILITIES), MsrNeeds::ArchCapabilities);
    return conditions;
}

MsrState initial_msr_state(const GuestCpuid& cpuid, bool host_has_x2apic, u64 host_microcode,
                           u64 host_arch_capabilities) {
    MsrState state;
    state.bios_sign_id = host_microcode;
    state.arch_capabilities = host_arch_capabilities & allowed_arch_capabilities;
    state.conditions = msr_conditions(cpuid, host_has_x2apic);
    return state;
}

} // namespace bulkhead
