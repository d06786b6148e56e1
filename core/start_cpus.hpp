// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#pragma once

#include <span>

#include "boot/boot_info.hpp"

namespace bulkhead {

/// What ap_entry (arch/x86_64/entry.S) reads: one CPU starts at a time.
struct ApStartup {
    u64 root;        ///< CR3
    u64 stack;       ///< RSP
    u32 cpu;         ///< index in BootInfo::cpus
    u32 arrived = 0; ///< set by the CPU when it has read the rest
};

/// Copies the trampoline to its page below 1 MiB. `root`: tables with that page 1:1 and the image, below 4 GiB.
void prepare_trampoline(HostPhysical page, HostPhysical root);

/// INIT to all CPUs but this one, then the pause that SDM 3A 10.4.4.1 asks for.
void send_init_to_all(std::span<const CpuInfo> cpus);

/// Starts one CPU on its final tables; true when it has arrived there. The caller may go on with the next at once. One
/// that does not arrive in a second waits for a start-up IPI again.
bool start_cpu(const CpuInfo& cpu, u32 index, HostPhysical root, HostPhysical trampoline);

} // namespace bulkhead
