// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// The hypervisor's ELF file, embedded in the loader: where its segments go. (System V ABI, ELF-64 object file format.)
#pragma once

#include <span>

#include "base/result.hpp"
#include "base/static_vector.hpp"
#include "mm/address.hpp"

namespace bulkhead::boot {

/// A PT_LOAD segment, with memory offsets counted from the image's first byte.
struct Segment {
    u64 image_offset = 0;
    u64 memory_size = 0; ///< bytes beyond `file_size` are zero
    u64 file_offset = 0;
    u64 file_size = 0; ///< at most memory_size
};

struct ElfImage {
    HostVirtual base; ///< -2 GiB
    u64 size = 0;     ///< bytes from `base`, a multiple of 2 MiB
    HostVirtual entry;
    StaticVector<Segment, 12> segments;
};

/// Checks an executable ELF-64 for x86-64 and lays its segments out. All offsets in the result lie within `file` and
/// within `size`, and the segments do not overlap.
[[nodiscard]] Result<ElfImage> parse_elf(std::span<const u8> file);

/// Copies the segments to `memory`, which has `image.size` bytes, and zeroes the rest of it.
void load_elf(const ElfImage& image, std::span<const u8> file, std::span<u8> memory);

} // namespace bulkhead::boot
