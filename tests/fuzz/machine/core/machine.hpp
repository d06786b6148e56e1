// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// In the place of core/machine.hpp where core/handlers.cpp is compiled for a target: no other CPU, and no CR3.
#pragma once

#include "arch/x86_64/instructions.hpp"
#include "core/guest.hpp"

namespace bulkhead {

struct Machine {
    struct {
        u32 debug_faults = 0;
        struct {
            u64 apic_timer_hz = 1'000'000'000;
        } clocks;
    } boot;
};
inline Machine machine;

inline u64 lock_owner() { return 1; }
void kick(Vcpu& core, VcpuRequest request);

} // namespace bulkhead
