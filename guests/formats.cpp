// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include <cstring>

#include "boot/guest/start_info.hpp"
#include "devices/platform.hpp"
#include "guests/lib/cpu.hpp"
#include "guests/lib/entry_state.hpp"
#include "guests/lib/guest.hpp"
#include "guests/lib/hypercall.hpp"

// A guest that is no bzImage: as a PVH kernel, by multiboot, or flat it finds the state that the protocol says, its
// command line, its modules whole, and a map of all of its memory. Two lives: what the first one spoils is back in the
// second one. The command line is "expect=FORMAT memory=MIB"; the initrd is the guest hello, the module a copy of this
// file.
namespace bulkhead::guest {

constexpr std::string_view name = GUEST_NAME;

namespace {

constexpr u64 initrd_mark = 0x53726448; // "HdrS", at 0x202
constexpr std::string_view module_text = "self and two  words";

std::string_view text_at(u64 address) { return reinterpret_cast<const char*>(address); }

template <class T> const T& at(u64 address) { return *reinterpret_cast<const T*>(address); }

u64 number_after(std::string_view text, std::string_view key) {
    const std::size_t start = text.find(key);
    u64 value = 0;
    for (std::size_t i = start + key.size(); start != text.npos && i < text.size() && text[i] >= '0'; ++i)
        value = value * 10 + static_cast<u64>(text[i] - '0');
    return value;
}

struct Module {
    u64 start, end, text;
};

/// What both protocols say.
struct Told {
    std::string_view format;
    std::string_view command_line;
    unsigned modules = 0;
    Module module[2]{};
    u64 usable = 0;
    u64 ranges = 0;
};

void take_range(Told& told, u64 start, u64 size, u32 type) {
    static u64 end;
    end = told.ranges++ == 0 ? 0 : end;
    check(start >= end && size != 0, "the memory map is in order: ", Hex{start});
    end = start + size;
    if (type != memory_usable)
        return;
    told.usable += size;
    check(end <= 0xa0000 || start >= 0x100000, "no RAM from 640 KiB to 1 MiB: ", Hex{start});
}

void take_module(Told& told, u64 start, u64 size, u64 text) {
    if (told.modules < 2)
        told.module[told.modules] = {start, start + size, text};
    ++told.modules;
    check(start % 4096 == 0 && start >= 0x100000 && start + size <= 0xc0000000, "a module's place: ", Hex{start});
}

Told read_start_info(u64 address) {
    const auto& info = at<HvmStartInfo>(address);
    Told told{.format = "pvh", .command_line = text_at(info.cmdline_paddr)};
    check_equal(info.magic, HvmStartInfo::expected_magic, "the start info's magic");
    check_equal(info.version, 1, "its version");
    check_equal(info.flags, 0, "its flags");
    check(text_at(info.rsdp_paddr).starts_with("RSD PTR "), "there is an RSDP");
    for (u32 i = 0; i < info.memmap_entries; ++i) {
        const auto& range = at<HvmMemory>(info.memmap_paddr + i * sizeof(HvmMemory));
        take_range(told, range.addr, range.size, range.type);
    }
    for (u32 i = 0; i < info.nr_modules; ++i) {
        const auto& module = at<HvmModule>(info.modlist_paddr + i * sizeof(HvmModule));
        take_module(told, module.paddr, module.size, module.cmdline_paddr);
    }
    return told;
}

Told read_multiboot(u64 address) {
    const auto& info = at<MultibootInfo>(address);
    Told told{.format = "multiboot", .command_line = text_at(info.cmdline)};
    check_equal(info.flags, 0x24d, "the multiboot information's flags");
    check(text_at(info.boot_loader_name) == "Bulkhead", "the loader's name");
    check_equal(info.mem_lower, 639, "mem_lower");
    check_equal(info.mem_upper, number_after(told.command_line, "memory=") * 1024 - 1024, "mem_upper");
    for (u64 offset = 0; offset < info.mmap_length;) {
        const auto& range = at<MultibootMemory>(info.mmap_addr + offset);
        take_range(told, u64{range.base_addr_high} << 32 | range.base_addr_low,
                   u64{range.length_high} << 32 | range.length_low, range.type);
        offset += range.size + 4;
    }
    for (u32 i = 0; i < info.mods_count; ++i) {
        const auto& module = at<MultibootModule>(info.mods_addr + i * sizeof(MultibootModule));
        take_module(told, module.mod_start, module.mod_end - module.mod_start, module.string);
    }
    return told;
}

constexpr u64 flag_if = 1 << 9, flag_tf = 1 << 8, flag_vm = 1 << 17;
constexpr u64 lme = 1 << 8, lma = 1 << 10;

/// Without MCE where it shows through, really 1, as in QEMU (controls.cpp): nobody has set it here.
u64 entry_cr4() { return entry_state.cr4 & ~(read_cr4() & (1 << 6)); }

void check_32_bit_state() {
    check_equal(entry_state.cr0 & ~u64{0x10}, 1, "CR0, but for ET");
    check_equal(entry_cr4(), 0, "CR4");
    check_equal(entry_state.efer, 0, "EFER");
    check_equal(entry_state.rflags & (flag_if | flag_tf | flag_vm), 0, "EFLAGS");
    check(entry_state.tr != 0, "there is a TSS");
}

void check_flat_state() {
    check_equal(entry_state.entry, 0x100000, "where it begins");
    check_equal(entry_state.efer & (lme | lma), lme | lma, "EFER: 64-bit mode");
    check_equal(entry_state.cr0, 0x80000031, "CR0");
    check_equal(entry_cr4(), 0x20, "CR4");
    check_equal(entry_state.rflags & (flag_if | flag_tf), 0, "RFLAGS");
    check_equal(entry_state.rsp, 0x9fc00, "RSP");
}

Told read_information() {
    if (entry_state.entry != reinterpret_cast<u64>(pvh_entry)) {
        check_flat_state();
        Told told = read_start_info(entry_state.rsi);
        told.format = "flat";
        return told;
    }
    check_32_bit_state();
    return entry_state.rax == multiboot_loader_magic ? read_multiboot(entry_state.rbx)
                                                     : read_start_info(entry_state.rbx);
}

/// The copy of this file has this code somewhere.
bool has_this_code(const Module& module) {
    constexpr u64 size = 64;
    for (u64 address = module.start; address + size <= module.end; ++address)
        if (std::memcmp(reinterpret_cast<const void*>(address), reinterpret_cast<const void*>(&run), size) == 0)
            return true;
    return false;
}

void check_modules(const Told& told) {
    check_equal(told.modules, 2, "modules");
    if (told.modules != 2)
        return;
    check_equal(at<u32>(told.module[0].start + 0x202), initrd_mark, "the initrd");
    check(text_at(told.module[0].text) == "hello", "the initrd's words: ", text_at(told.module[0].text));
    check(text_at(told.module[1].text) == module_text, "the module's words: ", text_at(told.module[1].text));
    check(has_this_code(told.module[1]), "the module's bytes");
    check(told.module[1].end <= told.module[0].start, "the modules do not overlap");
}

/// In the second life it is all as it was.
void spoil(const Told& told) {
    for (const Module& module : told.module)
        std::memset(reinterpret_cast<void*>(module.start), 0xee, module.end - module.start);
    std::memset(reinterpret_cast<void*>(0xf0000), 0xee, 0xa000);
    if (entry_state.entry == 0x100000) // not moved: what it was loaded as
        std::memset(reinterpret_cast<void*>(0x100000), 0xee, 0x1000);
}

} // namespace

void run() {
    const Told told = read_information();
    print(name, ": started by ", told.format, ", \"", told.command_line, '"');
    std::string_view expected = told.command_line;
    const bool said = expected.starts_with("expect=");
    expected.remove_prefix(said ? 7 : 0);
    check(said && expected.starts_with(told.format), "the format is ", told.format);
    const u64 memory = number_after(told.command_line, "memory=") * MiB;
    check_equal(told.usable, memory - (MiB - 0x9fc00), "usable memory");
    check_modules(told);
    const u64 life = hypercall(hypercall_life);
    if (life != 1)
        return;
    spoil(told);
    print(name, ": again");
    out8(platform::reset_port, platform::reset_value);
}

} // namespace bulkhead::guest
