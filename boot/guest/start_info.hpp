// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// What a kernel finds in memory about its machine: hvm_start_info of the PVH boot protocol (Xen,
// xen/include/public/arch-x86/hvm/start_info.h) and the multiboot information (Multiboot Specification 0.6.96, 3.3).
#pragma once

#include <cstddef>

#include "base/types.hpp"

namespace bulkhead {

inline constexpr u32 memory_usable = 1; ///< in both maps, and in E820's
inline constexpr u32 memory_reserved = 2;

struct HvmStartInfo {
    static constexpr u32 expected_magic = 0x336e'c578;
    u32 magic = expected_magic;
    u32 version = 1; ///< the first with a memory map
    u32 flags = 0;
    u32 nr_modules = 0;
    u64 modlist_paddr = 0;
    u64 cmdline_paddr = 0;
    u64 rsdp_paddr = 0;
    u64 memmap_paddr = 0;
    u32 memmap_entries = 0;
    u32 reserved = 0;
};
static_assert(sizeof(HvmStartInfo) == 56 && offsetof(HvmStartInfo, memmap_paddr) == 40);

struct HvmModule {
    u64 paddr = 0;
    u64 size = 0;
    u64 cmdline_paddr = 0;
    u64 reserved = 0;
};
static_assert(sizeof(HvmModule) == 32);

struct HvmMemory {
    u64 addr = 0;
    u64 size = 0;
    u32 type = 0;
    u32 reserved = 0;
};
static_assert(sizeof(HvmMemory) == 24);

inline constexpr u32 multiboot_loader_magic = 0x2bad'b002; ///< in EAX

struct MultibootInfo {
    static constexpr u32 MEMORY = 1 << 0;
    static constexpr u32 CMDLINE = 1 << 2;
    static constexpr u32 MODS = 1 << 3;
    static constexpr u32 MEM_MAP = 1 << 6;
    static constexpr u32 LOADER_NAME = 1 << 9;
    u32 flags = MEMORY | CMDLINE | MODS | MEM_MAP | LOADER_NAME;
    u32 mem_lower = 0; ///< KiB from 0 on
    u32 mem_upper = 0; ///< KiB from 1 MiB on
    u32 boot_device = 0;
    u32 cmdline = 0;
    u32 mods_count = 0;
    u32 mods_addr = 0;
    u32 syms[4]{};
    u32 mmap_length = 0;
    u32 mmap_addr = 0;
    u32 drives_length = 0;
    u32 drives_addr = 0;
    u32 config_table = 0;
    u32 boot_loader_name = 0;
    u32 rest[12]{}; ///< APM, VBE and framebuffer: there is none
};
static_assert(sizeof(MultibootInfo) == 116 && offsetof(MultibootInfo, boot_loader_name) == 64);

struct MultibootModule {
    u32 mod_start = 0;
    u32 mod_end = 0;
    u32 string = 0;
    u32 reserved = 0;
};
static_assert(sizeof(MultibootModule) == 16);

struct MultibootMemory {
    u32 size = 20; ///< of what follows
    u32 base_addr_low = 0;
    u32 base_addr_high = 0;
    u32 length_low = 0;
    u32 length_high = 0;
    u32 type = 0;
};
static_assert(sizeof(MultibootMemory) == 24);

} // namespace bulkhead
