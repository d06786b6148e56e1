// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#pragma once

#include "arch/x86_64/descriptor_tables.hpp"
#include "arch/x86_64/layout.hpp"
#include "core/guest.hpp"
#include "core/guest_cpuid.hpp"
#include "core/msr_emulation.hpp"
#include "core/registers.hpp"
#include "core/virtual_apic.hpp"
#include "mm/address.hpp"

namespace bulkhead {

/// What a vCPU has beside the registers that hardware keeps, on its own core only.
struct VcpuState {
    GuestCpuid cpuid;
    VirtualApic apic;
    std::span<Vcpu* const> receivers; ///< of IPIs by the ICR's MSR: the guest's vCPUs, but none unless in x2APIC mode
    MsrState msrs;
    ReportedMsrs reported_msrs;
    u64 cr0_guest_bits = 0; ///< CR0.CD and NW as the guest set them; the real ones stay 0
    bool cr4_mce = false;   ///< CR4.MCE as the guest set it; the real one is 1
    u32 clock_version = 0;  ///< of the KVM clock's page
};

/// A CPU's private data: at one constant address, backed by other frames on every CPU. The first four fields are the
/// entry code's (svm/enter.S, vmx/enter.S).
struct Cpu {
    Registers registers;        ///< of the guest, while it does not run
    HostPhysical control_block; ///< what the next entry runs: the guest's, or the parked context's
    Vcpu* core = nullptr;       ///< the public part
    u32 exit_tsc = 0;           ///< low half of the TSC at the last exit
    u32 index = 0;              ///< in BootInfo::cpus
    u32 apic_id = 0;
    HostPhysical firmware_root; ///< CpuResources'
    u64 nmis = 0;               ///< that reached the host's handler
    bool in_failure = false;    ///< this CPU is writing its failure record: a second fault only halts
    bool paused = false;        ///< as Guest::paused was when it was looked at
    std::array<u32, 2> refusals{}; ///< exits in a row that could not be carried out: of a kernel, of processes
    VcpuState vcpu;
    GlobalDescriptorTable gdt;
    TaskStateSegment tss;
};
static_assert(offsetof(Cpu, registers) == 0 && offsetof(Cpu, control_block) == 16 * 8);
static_assert(offsetof(Cpu, core) == 17 * 8 && offsetof(Cpu, exit_tsc) == 18 * 8);
static_assert(sizeof(Cpu) <= layout::per_cpu_vendor - layout::per_cpu_data);

/// The running CPU's. Valid once the CPU is on its own page tables.
inline Cpu& this_cpu() { return *reinterpret_cast<Cpu*>(layout::per_cpu_data); }

} // namespace bulkhead
