// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include <algorithm>
#include <cstring>

#include "boot/guest/program.hpp"

namespace bulkhead {

namespace {

constexpr u32 header_magic = 0x1bad'b002;
constexpr u64 search_size = 8192;
constexpr u32 PAGE_ALIGN = 1 << 0; // our modules always are
constexpr u32 MEMORY_INFO = 1 << 1;
constexpr u32 ADDRESSES = 1 << 16;
constexpr u32 required_flags = 0xffff; // what a loader must know, or refuse

struct MultibootHeader {
    u32 magic;
    u32 flags;
    u32 checksum;
    u32 header_addr;
    u32 load_addr;
    u32 load_end_addr;
    u32 bss_end_addr;
    u32 entry_addr;
};

/// The part of the header that every file has; the addresses where flags say so.
MultibootHeader read_header(std::span<const u8> file, u64 offset) {
    MultibootHeader header{};
    std::memcpy(&header, file.data() + offset, std::min<u64>(sizeof header, file.size() - offset));
    return header;
}

/// Section 3.1.3.
Result<Program> parse_addresses(std::span<const u8> file, u64 header_offset, const MultibootHeader& header) {
    if (file.size() - header_offset < sizeof header)
        return fail("the kernel's multiboot header is cut off: bytes", file.size() - header_offset);
    if (header.load_addr > header.header_addr || header.header_addr - header.load_addr > header_offset)
        return fail("the kernel's multiboot header has a wrong load address", header.load_addr);
    const u64 offset = header_offset - (header.header_addr - header.load_addr);
    const u64 size = header.load_end_addr == 0 ? file.size() - offset : u64{header.load_end_addr} - header.load_addr;
    if (header.load_end_addr != 0 && header.load_end_addr <= header.load_addr)
        return fail("the kernel's multiboot header has a wrong load end address", header.load_end_addr);
    if (size > file.size() - offset)
        return fail("the kernel's file is truncated: bytes missing", size - (file.size() - offset));
    if (header.bss_end_addr != 0 && header.bss_end_addr < header.load_addr + size)
        return fail("the kernel's multiboot header has a wrong bss end address", header.bss_end_addr);
    const u64 memory = header.bss_end_addr == 0 ? size : u64{header.bss_end_addr} - header.load_addr;
    if (memory > 4 * GiB - header.load_addr)
        return fail("the kernel reaches above 4 GiB from its load address on", header.load_addr);
    Program program;
    program.entry = {header.entry_addr};
    static_cast<void>(program.parts.push_back({{header.load_addr}, memory, offset, size})); // it is the first
    return program;
}

} // namespace

std::optional<u64> find_multiboot_header(std::span<const u8> file) {
    const u64 end = std::min<u64>(file.size(), search_size);
    for (u64 offset = 0; offset + 12 <= end; offset += 4) {
        const MultibootHeader header = read_header(file, offset);
        if (header.magic == header_magic && header.magic + header.flags + header.checksum == 0)
            return offset;
    }
    return std::nullopt;
}

Result<Program> parse_multiboot(std::span<const u8> file) {
    const std::optional<u64> offset = find_multiboot_header(file);
    if (!offset)
        return fail("the kernel has no multiboot header");
    const MultibootHeader header = read_header(file, *offset);
    if (const u32 unknown = header.flags & required_flags & ~(PAGE_ALIGN | MEMORY_INFO); unknown != 0)
        return fail("the kernel's multiboot header needs what there is not: flags", unknown);
    if ((header.flags & ADDRESSES) != 0)
        return parse_addresses(file, *offset, header);
    const Result<ElfProgram> elf = parse_elf_program(file);
    if (!elf)
        return std::unexpected(elf.error());
    if (elf->program.entry.value >= 4 * GiB)
        return fail("the kernel's entry is above 4 GiB: address", elf->program.entry.value);
    return elf->program;
}

Result<Program> parse_flat(std::span<const u8> file) {
    if (file.empty() || file.size() > 4 * GiB - flat_address.value)
        return fail("a flat binary cannot have so many bytes", file.size());
    Program program;
    program.entry = flat_address;
    static_cast<void>(program.parts.push_back({flat_address, file.size(), 0, file.size()})); // it is the first
    return program;
}

} // namespace bulkhead
