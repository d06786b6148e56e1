// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include <algorithm>
#include <cstring>
#include <string_view>

#include "boot/guest/program.hpp"

namespace bulkhead {

namespace {

constexpr u8 ELFCLASS32 = 1;
constexpr u8 ELFCLASS64 = 2;
constexpr u16 ET_EXEC = 2;
constexpr u16 ET_DYN = 3;
constexpr u16 EM_386 = 3;
constexpr u16 EM_X86_64 = 62;
constexpr u32 PT_LOAD = 1;
constexpr u32 PT_NOTE = 4;
constexpr u32 XEN_ELFNOTE_PHYS32_ENTRY = 18;

// More than any kernel has: what a file says here decides how long it is looked at.
constexpr u64 max_headers = 128;
constexpr u64 max_notes = 64 * KiB; ///< bytes of a segment of them

/// Where the fields of both classes are.
struct Layout {
    u64 word; ///< bytes of an address
    u64 header_size, e_entry, e_phoff, e_phentsize, e_phnum;
    u64 phdr_size, p_offset, p_vaddr, p_paddr, p_filesz, p_memsz, p_align;
};
constexpr Layout elf32{4, 52, 24, 28, 42, 44, 32, 4, 8, 12, 16, 20, 28};
constexpr Layout elf64{8, 64, 24, 32, 54, 56, 56, 8, 16, 24, 32, 40, 48};

/// Little endian; the caller has checked that it lies in the file.
u64 number(std::span<const u8> file, u64 offset, u64 size) {
    u64 value = 0;
    std::memcpy(&value, file.subspan(offset, size).data(), size);
    return value;
}

struct Segment {
    u32 type;
    u64 offset, vaddr, paddr, filesz, memsz, align;
};

Segment read_segment(std::span<const u8> header, const Layout& layout) {
    const auto field = [&](u64 offset) { return number(header, offset, layout.word); };
    return {static_cast<u32>(number(header, 0, 4)),
            field(layout.p_offset),
            field(layout.p_vaddr),
            field(layout.p_paddr),
            field(layout.p_filesz),
            field(layout.p_memsz),
            field(layout.p_align)};
}

Result<void> add_part(Program& program, const Segment& segment) {
    if (segment.filesz > segment.memsz)
        return fail("the kernel's ELF file has a segment with more bytes than memory: bytes", segment.filesz);
    if (segment.paddr > 4 * GiB || segment.memsz > 4 * GiB - segment.paddr)
        return fail("the kernel's ELF file has a segment above 4 GiB: address", segment.paddr);
    if (!program.parts.push_back({{segment.paddr}, segment.memsz, segment.offset, segment.filesz}))
        return fail("the kernel's ELF file has too many segments", program.parts.size());
    return {};
}

/// Walks the notes of a PT_NOTE segment: each has a descriptor behind its name, and both begin at aligned places of the
/// segment (gABI, Note Section; with 8 the name's end is padded, and not the name).
Result<void> find_entry_note(std::span<const u8> notes, u64 alignment, ElfProgram& elf) {
    constexpr u64 note_header = 12;
    while (notes.size() >= note_header) {
        const u64 name_size = number(notes, 0, 4);
        const u64 size = number(notes, 4, 4);
        const u64 type = number(notes, 8, 4);
        const u64 start = align_up(note_header + name_size, alignment);
        if (start > notes.size() || size > notes.size() - start)
            return fail("the kernel's ELF file has a note that is cut off: bytes", size);
        constexpr std::string_view xen("Xen\0", 4);
        if (type == XEN_ELFNOTE_PHYS32_ENTRY && name_size == xen.size() &&
            std::memcmp(notes.data() + note_header, xen.data(), xen.size()) == 0) {
            if (size != 4 && size != 8)
                return fail("the kernel's PVH note has not 4 or 8 bytes but", size);
            const u64 entry = number(notes, start, size);
            if (entry >= 4 * GiB)
                return fail("the kernel's PVH entry is above 4 GiB: address", entry);
            elf.pvh_entry = GuestPhysical{entry};
        }
        notes = notes.subspan(std::min<u64>(notes.size(), align_up(start + size, alignment)));
    }
    return {};
}

Result<void> take_segment(std::span<const u8> file, const Segment& segment, u64 entry, ElfProgram& elf) {
    const bool load = segment.type == PT_LOAD && segment.memsz != 0;
    if (!load && segment.type != PT_NOTE)
        return {};
    if (segment.offset > file.size() || segment.filesz > file.size() - segment.offset)
        return fail("the kernel's ELF file ends before its segments do: offset", segment.offset);
    if (!load && segment.filesz > max_notes)
        return fail("the kernel's ELF file has too many notes: bytes", segment.filesz);
    if (!load)
        return find_entry_note(file.subspan(segment.offset, segment.filesz), segment.align == 8 ? 8 : 4, elf);
    // It is a virtual address, and not the physical one where a kernel is linked high.
    if (entry >= segment.vaddr && entry - segment.vaddr < segment.memsz)
        elf.program.entry = {entry - segment.vaddr + segment.paddr};
    return add_part(elf.program, segment);
}

Result<Layout> check_header(std::span<const u8> file) {
    if (!is_elf(file))
        return fail("the kernel is no ELF file");
    const u8 elf_class = file[4];
    if (elf_class != ELFCLASS32 && elf_class != ELFCLASS64)
        return fail("the kernel's ELF file has neither 32 nor 64 bits: class", elf_class);
    const Layout& layout = elf_class == ELFCLASS32 ? elf32 : elf64;
    if (file.size() < layout.header_size)
        return fail("the kernel's ELF file is too short", file.size());
    const u64 type = number(file, 16, 2);
    const u64 machine = number(file, 18, 2);
    if (type != ET_EXEC && type != ET_DYN)
        return fail("the kernel's ELF file is no executable: type", type);
    if (file[5] != 1 || (machine != EM_386 && machine != EM_X86_64))
        return fail("the kernel's ELF file is not for x86: machine", machine);
    const u64 offset = number(file, layout.e_phoff, layout.word);
    if (number(file, layout.e_phentsize, 2) != layout.phdr_size)
        return fail("the kernel's program headers have another size than ELF says",
                    number(file, layout.e_phentsize, 2));
    if (number(file, layout.e_phnum, 2) > max_headers)
        return fail("the kernel's ELF file has too many program headers", number(file, layout.e_phnum, 2));
    if (offset > file.size() || (file.size() - offset) / layout.phdr_size < number(file, layout.e_phnum, 2))
        return fail("the kernel's ELF file ends before its program headers do: offset", offset);
    return layout;
}

} // namespace

bool is_elf(std::span<const u8> file) {
    return file.size() >= 20 && std::memcmp(file.data(),
                                            "\x7f"
                                            "ELF",
                                            4) == 0;
}

Result<ElfProgram> parse_elf_program(std::span<const u8> file) {
    const Result<Layout> layout = check_header(file);
    if (!layout)
        return std::unexpected(layout.error());
    ElfProgram elf;
    const u64 headers = number(file, layout->e_phoff, layout->word);
    const u64 entry = number(file, layout->e_entry, layout->word);
    elf.program.entry = {entry};
    for (u64 i = 0; i < number(file, layout->e_phnum, 2); ++i) {
        const auto header = file.subspan(headers + i * layout->phdr_size, layout->phdr_size);
        if (const auto taken = take_segment(file, read_segment(header, *layout), entry, elf); !taken)
            return std::unexpected(taken.error());
    }
    if (elf.program.parts.empty())
        return fail("the kernel's ELF file has nothing to load");
    return elf;
}

Result<Program> parse_pvh(std::span<const u8> file) {
    Result<ElfProgram> elf = parse_elf_program(file);
    if (!elf)
        return std::unexpected(elf.error());
    if (!elf->pvh_entry)
        return fail("the kernel's ELF file has no PVH note (XEN_ELFNOTE_PHYS32_ENTRY)");
    elf->program.entry = *elf->pvh_entry;
    return elf->program;
}

} // namespace bulkhead
