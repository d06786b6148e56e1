// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#pragma once

#include "base/result.hpp"

namespace bulkhead::svm {

/// What of AMD-V this CPU has (CPUID 8000_000Ah, APM 3 E.4.9).
struct Capabilities {
    bool nrip_save = false; ///< the CPU gives the address of the next instruction
    bool decode_assists = false;
    bool flush_by_asid = false;
    bool vmcb_clean = false;
    u32 asids = 0;
};

/// The words that the decision depends on, so that recordings can be replayed.
struct CapabilityWords {
    u32 max_extended_leaf = 0; ///< CPUID 8000_0000h EAX
    u32 extended_ecx = 0;      ///< CPUID 8000_0001h ECX
    u32 svm_ebx = 0;           ///< CPUID 8000_000Ah EBX, EDX
    u32 svm_edx = 0;
    u64 vm_cr = 0; ///< MSR C001_0114h; read only where extended_ecx has SVM
};

/// Refuses with the reason's name what the hypervisor cannot run without.
Result<Capabilities> decide_capabilities(const CapabilityWords& words);

} // namespace bulkhead::svm
