// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// A kernel that is not a bzImage: bytes of its file that belong at fixed addresses, and where it begins. Files are not
// trusted: every offset in a result lies within the file, and no address and size together exceed 4 GiB.
#pragma once

#include <optional>
#include <span>

#include "base/result.hpp"
#include "base/static_vector.hpp"
#include "mm/address.hpp"

namespace bulkhead {

/// Bytes [offset, offset + size) of the file belong at `to`; up to `memory_size` there are zeros behind them.
struct ProgramPart {
    GuestPhysical to;
    u64 memory_size = 0; ///< at least `size`, not 0
    u64 offset = 0;
    u64 size = 0;
};

struct Program {
    StaticVector<ProgramPart, 16> parts; ///< may still overlap each other, and what is not RAM
    GuestPhysical entry;
};

/// An ELF file's part of the answer: where its segments go, by their physical addresses.
struct ElfProgram {
    Program program;                        ///< the entry is e_entry, physical if a segment has it, else anything
    std::optional<GuestPhysical> pvh_entry; ///< of the note XEN_ELFNOTE_PHYS32_ENTRY, if there is one
};

[[nodiscard]] bool is_elf(std::span<const u8> file);

/// ELF-32 for the 80386 or ELF-64 for x86-64, an executable (System V ABI, "Object files").
[[nodiscard]] Result<ElfProgram> parse_elf_program(std::span<const u8> file);

/// An ELF file with the note of the PVH boot protocol (Xen, docs/misc/pvh.pandoc).
[[nodiscard]] Result<Program> parse_pvh(std::span<const u8> file);

/// Where the multiboot header begins (Multiboot Specification 0.6.96, 3.1.1): its magic, flags and checksum are right.
[[nodiscard]] std::optional<u64> find_multiboot_header(std::span<const u8> file);

/// ELF, or any file whose header has the address fields.
[[nodiscard]] Result<Program> parse_multiboot(std::span<const u8> file);

/// Where a flat binary is put, whole, and begins.
inline constexpr GuestPhysical flat_address{0x10'0000};
[[nodiscard]] Result<Program> parse_flat(std::span<const u8> file);

} // namespace bulkhead
