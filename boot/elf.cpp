// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "boot/elf.hpp"

#include <cstring>

namespace bulkhead::boot {

namespace {

struct Elf64_Ehdr {
    u8 e_ident[16];
    u16 e_type;
    u16 e_machine;
    u32 e_version;
    u64 e_entry;
    u64 e_phoff;
    u64 e_shoff;
    u32 e_flags;
    u16 e_ehsize;
    u16 e_phentsize;
    u16 e_phnum;
    u16 e_shentsize;
    u16 e_shnum;
    u16 e_shstrndx;
};
static_assert(sizeof(Elf64_Ehdr) == 64);

struct Elf64_Phdr {
    u32 p_type;
    u32 p_flags;
    u64 p_offset;
    u64 p_vaddr;
    u64 p_paddr;
    u64 p_filesz;
    u64 p_memsz;
    u64 p_align;
};
static_assert(sizeof(Elf64_Phdr) == 56);

constexpr u8 expected_ident[7] = {0x7f, 'E', 'L', 'F', 2 /* ELFCLASS64 */, 1 /* ELFDATA2LSB */, 1 /* EV_CURRENT */};
constexpr u16 ET_EXEC = 2;
constexpr u16 EM_X86_64 = 62;
constexpr u32 PT_LOAD = 1;
/// The top 2 GiB, for the code model "kernel"; all of the image shares one page directory.
constexpr u64 link_address = 0xffff'ffff'8000'0000;
constexpr u64 max_image = 64 * MiB;

Result<Elf64_Ehdr> read_header(std::span<const u8> file) {
    Elf64_Ehdr header{};
    if (file.size() < sizeof header)
        return fail("the hypervisor's ELF is too short", file.size());
    std::memcpy(&header, file.data(), sizeof header);
    if (std::memcmp(header.e_ident, expected_ident, sizeof expected_ident) != 0 || header.e_type != ET_EXEC ||
        header.e_machine != EM_X86_64 || header.e_phentsize != sizeof(Elf64_Phdr))
        return fail("the hypervisor is no ELF-64 executable for x86-64");
    if (header.e_phoff > file.size() || (file.size() - header.e_phoff) / sizeof(Elf64_Phdr) < header.e_phnum)
        return fail("the hypervisor's ELF has program headers beyond its end", header.e_phoff);
    return header;
}

/// Adds a segment that starts at or after `end`, the end of the one before.
Result<u64> add_segment(ElfImage& image, const Elf64_Phdr& phdr, u64 end, u64 file_size) {
    if (phdr.p_filesz > phdr.p_memsz || phdr.p_offset > file_size || phdr.p_filesz > file_size - phdr.p_offset)
        return fail("the hypervisor's ELF has a segment beyond its end", phdr.p_offset);
    if (phdr.p_vaddr < end || phdr.p_vaddr - link_address > max_image || phdr.p_memsz > max_image)
        return fail("the hypervisor's ELF has a segment out of order, or not where it must be linked", phdr.p_vaddr);
    if (!image.segments.push_back({.image_offset = phdr.p_vaddr - image.base.value,
                                   .memory_size = phdr.p_memsz,
                                   .file_offset = phdr.p_offset,
                                   .file_size = phdr.p_filesz}))
        return fail("the hypervisor's ELF has too many segments", image.segments.size());
    return phdr.p_vaddr + phdr.p_memsz;
}

} // namespace

Result<ElfImage> parse_elf(std::span<const u8> file) {
    const auto header = read_header(file);
    if (!header)
        return std::unexpected(header.error());
    ElfImage image;
    image.base = {link_address};
    image.entry = {header->e_entry};
    u64 end = link_address;
    for (u64 i = 0; i < header->e_phnum; ++i) {
        Elf64_Phdr phdr{};
        std::memcpy(&phdr, file.data() + header->e_phoff + i * sizeof phdr, sizeof phdr);
        if (phdr.p_type != PT_LOAD || phdr.p_memsz == 0)
            continue;
        const auto segment_end = add_segment(image, phdr, end, file.size());
        if (!segment_end)
            return std::unexpected(segment_end.error());
        end = *segment_end;
    }
    if (image.segments.empty() || image.entry < image.base || image.entry.value >= end)
        return fail("the hypervisor's ELF has its entry outside of its segments", header->e_entry);
    image.size = align_up(end - image.base.value, large_page_size);
    return image;
}

void load_elf(const ElfImage& image, std::span<const u8> file, std::span<u8> memory) {
    std::memset(memory.data(), 0, memory.size());
    for (const Segment& segment : image.segments) {
        const auto from = file.subspan(segment.file_offset, segment.file_size);
        const auto to = memory.subspan(segment.image_offset, segment.memory_size);
        std::memcpy(to.data(), from.data(), from.size());
    }
}

} // namespace bulkhead::boot
