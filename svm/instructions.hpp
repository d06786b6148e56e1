// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#pragma once

#include "mm/address.hpp"

namespace bulkhead::svm {

/// Hold back (CLGI) or let through (STGI) interrupts, NMIs and SMIs on this CPU: APM 2 15.17.
inline void clgi() { asm volatile("clgi" : : : "memory"); }
inline void stgi() { asm volatile("stgi" : : : "memory"); }

/// FS, GS, TR, LDTR with their hidden parts, KernelGSBase, STAR, LSTAR, CSTAR, SFMASK, SYSENTER_*: APM 2 15.5.2.
inline void vmload(HostPhysical vmcb) { asm volatile("vmload %0" : : "a"(vmcb.value) : "memory"); }
inline void vmsave(HostPhysical vmcb) { asm volatile("vmsave %0" : : "a"(vmcb.value) : "memory"); }

} // namespace bulkhead::svm
