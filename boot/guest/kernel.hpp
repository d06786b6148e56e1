// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// Which format a kernel has, and the plan for it: what the loader does when it makes a guest, and what the host command
// does to say beforehand whether that works.
#pragma once

#include <variant>

#include "boot/guest/direct_boot.hpp"
#include "boot/guest/kernel_format.hpp"
#include "boot/guest/linux_boot.hpp"

namespace bulkhead {

struct KernelSources {
    KernelFormat format = KernelFormat::Auto;
    std::span<const u8> kernel; ///< not trusted
    u64 initrd_size = 0;        ///< 0: there is none
    std::span<const u64> module_sizes;
    std::string_view cmdline;
    std::span<const MemoryChunk> memory;
};

using KernelPlan = std::variant<LinuxPlan, DirectPlan>;

/// By the file itself; Auto where it is none of those that can be known.
[[nodiscard]] KernelFormat recognize_kernel(std::span<const u8> kernel);

/// A DirectPlan's modules are the initrd, if there is one, and then the modules.
[[nodiscard]] Result<KernelPlan> plan_kernel(const KernelSources& sources);

} // namespace bulkhead
