// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// Starts a kernel that is not a bzImage: plan first, then write, as linux_boot.hpp does. What it finds beside its own
// bytes and its modules is in the area of the firmware, which its memory map says is reserved: nothing of it is in the
// way of anything.
#pragma once

#include <span>
#include <string_view>

#include "base/result.hpp"
#include "boot/boot_info.hpp"
#include "boot/guest/kernel_format.hpp"
#include "boot/guest/linux_boot.hpp"
#include "boot/guest/program.hpp"

namespace bulkhead {

/// Behind the ACPI tables, before the reset vector.
inline constexpr GuestPhysical direct_area{0xf'0000};
inline constexpr u64 direct_area_size = 0xa000;

struct DirectPlan {
    KernelFormat format{}; ///< Pvh, Multiboot or Flat
    Program program;       ///< in the guest's RAM, without overlap
    GuestRam ram;
    StaticVector<GuestRange, max_loaded_files> modules; ///< page-aligned, below 3 GiB
};

/// `format` is Pvh, Multiboot or Flat; `sizes` are those of the modules, in bytes. Errors name what is wrong in the
/// kernel's file, or what does not fit.
Result<DirectPlan> plan_direct_boot(KernelFormat format, std::span<const u8> kernel, std::span<const u64> sizes,
                                    std::string_view cmdline, std::span<const MemoryChunk> memory);

/// Writes what the kernel is told, and the way into its mode, to `area`: the guest's memory at direct_area, all zeros.
/// `texts`: of the modules, each at most 255 bytes. Errors: the texts are too long.
Result<EntryState> write_direct_boot(const DirectPlan& plan, std::string_view cmdline,
                                     std::span<const std::string_view> texts, std::span<u8> area);

} // namespace bulkhead
