// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#pragma once

#include "arch/x86_64/cpuid.hpp"
#include "base/result.hpp"

namespace bulkhead {

enum class Virtualization : u8 { Svm, Vmx };

/// The firmware's locks. Each MSR exists only where CPUID shows the feature; 0 stands for the other one.
struct VirtualizationLocks {
    u64 vm_cr = 0;           ///< VM_CR, on a CPU with SVM
    u64 feature_control = 0; ///< IA32_FEATURE_CONTROL, on a CPU with VMX
};

/// Which virtualization the CPU has by its CPUID: the one decision about the vendor. An error says what is missing.
[[nodiscard]] Result<Virtualization> detect_virtualization(CpuidSource cpuid);

/// Whether the CPU and its firmware let us use it, and it has what we cannot do without. An error says what to change.
/// (APM 2 15.4; SDM 3C 24.7)
[[nodiscard]] Result<void> check_virtualization(CpuidSource cpuid, Virtualization kind,
                                                const VirtualizationLocks& locks);

} // namespace bulkhead
