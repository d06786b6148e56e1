// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// What a guest's memory holds at its start, as a PC's firmware and boot loader would have left it: its kernel and
// initrd, straight out of their files, and what is made for it. All else of its memory is zeros.
#pragma once

#include <span>
#include <string_view>

#include "base/result.hpp"
#include "base/static_vector.hpp"
#include "boot/boot_info.hpp"
#include "boot/guest/kernel_format.hpp"
#include "mm/memory_chunk.hpp"

namespace bulkhead {

/// A file that is loaded with a kernel.
struct GuestModule {
    std::span<const u8> bytes;
    std::string_view text{}; ///< what a kernel that is no bzImage is told of it
};

/// What a guest is made of. Its files are not trusted.
struct GuestSources {
    KernelFormat format = KernelFormat::Auto;
    std::span<const u8> kernel;
    GuestModule initrd{}; ///< empty: there is none
    std::span<const GuestModule> modules{};
    std::string_view cmdline;
    std::span<const MemoryChunk> memory; ///< as GuestMemoryMap::create() demands
    u32 vcpus = 0;
};

struct StartSegment {
    GuestPhysical to;
    std::span<const u8> bytes; ///< of a file or of what was made; not empty
};

struct GuestStart {
    StaticVector<StartSegment, 3 + 16 + max_loaded_files> segments; ///< all in the guest's RAM, without overlap
    EntryState entry;
};

/// Bytes of what is made for a guest with this command line and so many vCPUs: boot_params
/// or its like, page tables, ACPI tables.
u64 made_for_guest_size(std::string_view cmdline, u32 vcpus);

/// `made`: where to put that, all zeros; it must stay as long as the segments are used. Errors: the kernel cannot be
/// started, something has no room in the guest's memory or in `made`.
Result<GuestStart> make_guest_start(const GuestSources& sources, std::span<u8> made);

} // namespace bulkhead
