// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// The one machine: what all CPUs share, built at boot and from then on changed only where a field says so.
#pragma once

#include <span>

#include "arch/x86_64/instructions.hpp"
#include "arch/x86_64/layout.hpp"
#include "boot/boot_info.hpp"
#include "core/guest.hpp"

namespace bulkhead {

enum class Vendor : u8 { Amd, Intel };

struct Machine {
    BootInfo boot;                            ///< a copy; its arrays are reached through handed()
    std::span<Vcpu> cores;                    ///< one a CPU, in the order of BootInfo::cpus
    std::span<Guest> guests;                  ///< in the order of the configuration
    std::span<ConsoleSource> console_sources; ///< likewise, and the monitor's behind them
    Vendor vendor{};                          ///< whose backend runs
    u32 service_cpu = 0;                      ///< drains consoles and takes the UART's NMI
    u64 wait_ticks = 0;                       ///< TSC ticks of waits for CPUs while booting
    u64 memory_kept = 0;                      ///< bytes, besides second-stage tables and pristine files
    u64 second_stage_tables = 0;              ///< bytes
    std::atomic<u32> unentered{0};            ///< guests that start by themselves and have not run yet
    std::atomic<bool> go{false};              ///< everything is built and sealed: enter the guests
};

extern constinit Machine machine;

/// An array of BootInfo, in the handoff window.
template <class T> std::span<const T> handed(const PhysicalArray<T>& array) {
    const u64 offset = array.address - machine.boot.handoff.start;
    return {reinterpret_cast<const T*>(layout::handoff + offset), array.count};
}

/// The physical address of an object in the hypervisor's image.
inline HostPhysical image_physical(const void* object) {
    return machine.boot.image.start + (reinterpret_cast<u64>(object) - layout::image);
}

/// Who holds a lock: every CPU has page tables of its own, also before it has per-CPU data.
inline u64 lock_owner() { return arch::read_cr3(); }

/// An NMI for the core, after `request` was set for it. Before Machine::go without the NMI: a CPU may be without the
/// tables to take it, and looks at its requests when it goes. Cheap and safe from any CPU.
void kick(Vcpu& core, VcpuRequest request);

/// No guest runs any more: power-off or reset, as configured, through the firmware's runtime services; halts if that
/// returns. Or nothing, if the machine is to stay.
void end_machine();

/// On the service CPU: tells the firmware that this boot has got to its guests. Once. An exception while the CPU's tables
/// are `Cpu::firmware_root` is the firmware's, and goes on at `firmware_fault` (__builtin_setjmp's).
void remember_success();
extern void* firmware_fault[5];

/// Resets the machine without the firmware's help, and without anything that a broken hypervisor might not have any
/// more. Memory keeps what it holds.
[[noreturn]] void reset_machine();

} // namespace bulkhead
