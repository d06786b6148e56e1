// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// Starts a bzImage by the 64-bit boot protocol (Linux Documentation/arch/x86/boot.rst, zero-page.rst): plan first, then
// write. Kernel and initrd stay where they are: boot/guest/start.hpp says what goes where.
#pragma once

#include <span>
#include <string_view>

#include "base/result.hpp"
#include "base/static_vector.hpp"
#include "boot/boot_info.hpp"
#include "mm/memory_chunk.hpp"

namespace bulkhead {

struct GuestRange {
    GuestPhysical start;
    u64 size = 0;
    [[nodiscard]] constexpr GuestPhysical end() const { return start + size; }
};

/// A guest's RAM as it sees it: ascending, neighbours merged.
using GuestRam = StaticVector<GuestRange, 32>;

/// `chunks` must be in ascending order of their guest addresses, not overlap, and begin with 2 MiB or more at 0.
Result<GuestRam> merge_guest_ram(std::span<const MemoryChunk> chunks);

/// What a kernel's file says about itself. Every number was checked against the file's size and each other.
struct LinuxImage {
    u64 payload_offset = 0; ///< in the file
    u64 payload_size = 0;
    u64 pref_address = 0;
    u64 init_size = 0; ///< memory the kernel needs from its load address on, at least payload_size
    u64 kernel_alignment = 0;
    u64 initrd_addr_max = 0;
    u64 cmdline_size = 0; ///< longest command line, without its zero
    bool relocatable = false;
};

/// Whether it has the signature of one.
[[nodiscard]] bool is_bzimage(std::span<const u8> file);

/// Needs protocol 2.12 or newer with XLF_KERNEL_64. The file is not trusted.
Result<LinuxImage> parse_linux_image(std::span<const u8> file);

struct LinuxPlan {
    LinuxImage image;
    GuestRam ram;
    GuestPhysical kernel; ///< where file bytes [payload_offset, payload_offset + payload_size) are to be copied
    GuestPhysical initrd; ///< where the initrd is to be copied; page-aligned
    u64 initrd_size = 0;  ///< 0: there is none
};

/// Decides the addresses. The kernel is put where it prefers to be, if that is RAM; the initrd as high as it may be.
/// Errors name what does not fit, with the number of bytes it needs.
Result<LinuxPlan> plan_linux_boot(std::span<const u8> kernel, u64 initrd_size, std::string_view cmdline,
                                  std::span<const MemoryChunk> memory);

/// Bytes of the guest's memory from address 0 that write_linux_boot works on, at most 128 KiB.
u64 linux_low_memory(std::string_view cmdline);

/// Writes boot_params, command line, GDT and identity page tables for the first 4 GiB into `low`, the guest's memory
/// from 0 to linux_low_memory(cmdline), all zeros. `kernel` and `cmdline` are those the plan was made for. RSI is the
/// address of boot_params.
EntryState write_linux_boot(const LinuxPlan& plan, std::span<const u8> kernel, std::string_view cmdline,
                            std::span<u8> low);

} // namespace bulkhead
