// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#pragma once

#include <cstring>

#include "unit/boot/guest/small_kernel.hpp"

namespace bulkhead {

inline constexpr std::size_t elf64_phdrs = 64, elf32_phdrs = 52;
inline constexpr std::size_t program_code = 0x200, program_note = 0x180, program_multiboot = 0x1c0;

/// A PVH kernel of 64 bits, linked high: 0x100 bytes belong at 16 MiB, with memory for 0x2000.
inline Bytes small_pvh64() {
    Bytes file(0x300);
    std::memcpy(file.data(),
                "\x7f"
                "ELF\x02\x01\x01",
                7);
    set(file, 16, 2, 2);  // ET_EXEC
    set(file, 18, 62, 2); // EM_X86_64
    set(file, 24, 0xffff'ffff'8100'0010, 8);
    set(file, 32, elf64_phdrs, 8);
    set(file, 54, 56, 2);
    set(file, 56, 2, 2);
    const auto phdr = [&](std::size_t i, u64 type, u64 offset, u64 vaddr, u64 paddr, u64 filesz, u64 memsz) {
        const std::size_t at = elf64_phdrs + 56 * i;
        set(file, at, type, 4);
        for (std::size_t field = 0; field < 5; ++field)
            set(file, at + 8 + 8 * field, std::array{offset, vaddr, paddr, filesz, memsz}[field], 8);
    };
    phdr(0, 1, program_code, 0xffff'ffff'8100'0000, 0x100'0000, 0x100, 0x2000);
    phdr(1, 4, program_note, 0, 0, 20, 20);
    set(file, program_note, 4, 4);
    set(file, program_note + 4, 4, 4);
    set(file, program_note + 8, 18, 4);
    std::memcpy(&file[program_note + 12], "Xen", 4);
    set(file, program_note + 16, 0x100'0020, 4);
    for (std::size_t i = 0; i < 0x100; ++i)
        file[program_code + i] = 0xc0;
    return file;
}

/// A multiboot kernel of 32 bits with the same parts; its header is not loaded.
inline Bytes small_multiboot() {
    Bytes file(0x300);
    std::memcpy(file.data(),
                "\x7f"
                "ELF\x01\x01\x01",
                7);
    set(file, 16, 2, 2); // ET_EXEC
    set(file, 18, 3, 2); // EM_386
    set(file, 24, 0x100'0010, 4);
    set(file, 28, elf32_phdrs, 4);
    set(file, 42, 32, 2);
    set(file, 44, 1, 2);
    set(file, elf32_phdrs, 1, 4);
    set(file, elf32_phdrs + 4, program_code, 4);
    set(file, elf32_phdrs + 8, 0x100'0000, 4);
    set(file, elf32_phdrs + 12, 0x100'0000, 4);
    set(file, elf32_phdrs + 16, 0x100, 4);
    set(file, elf32_phdrs + 20, 0x2000, 4);
    set(file, program_multiboot, 0x1bad'b002, 4);
    set(file, program_multiboot + 4, 3, 4);
    set(file, program_multiboot + 8, 0u - 0x1bad'b002u - 3, 4);
    for (std::size_t i = 0; i < 0x100; ++i)
        file[program_code + i] = 0xc0;
    return file;
}

/// One whose header has the addresses: all of it belongs at 2 MiB, and begins there.
inline Bytes small_addresses() {
    Bytes file(0x300, 0xc0);
    constexpr u32 flags = 0x10003, at = 0x20'0000;
    constexpr u64 fields[] = {0x1bad'b002, flags, 0u - 0x1bad'b002u - flags, at + program_multiboot, at, at + 0x300,
                              at + 0x1000, at};
    for (std::size_t i = 0; i < 8; ++i)
        set(file, program_multiboot + 4 * i, fields[i], 4);
    return file;
}

} // namespace bulkhead
