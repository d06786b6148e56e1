// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// What a bzImage and its loader tell each other: Linux Documentation/arch/x86/boot.rst and zero-page.rst, whose names
// these are.
#pragma once

#include <array>
#include <cstddef>

#include "base/types.hpp"

namespace bulkhead::linux_boot {

#pragma pack(push, 1)

/// At 0x1f1 of the file and of boot_params.
struct SetupHeader {
    u8 setup_sects;
    u16 root_flags;
    u32 syssize; ///< 16-byte units
    u16 ram_size;
    u16 vid_mode;
    u16 root_dev;
    u16 boot_flag;
    u8 jump_opcode;
    u8 jump_distance; ///< from 0x202 on: the end of this header
    u32 header;
    u16 version;
    u32 realmode_swtch;
    u16 start_sys_seg;
    u16 kernel_version;
    u8 type_of_loader;
    u8 loadflags;
    u16 setup_move_size;
    u32 code32_start;
    u32 ramdisk_image;
    u32 ramdisk_size;
    u32 bootsect_kludge;
    u16 heap_end_ptr;
    u8 ext_loader_ver;
    u8 ext_loader_type;
    u32 cmd_line_ptr;
    u32 initrd_addr_max; ///< last byte that may be the initrd's
    u32 kernel_alignment;
    u8 relocatable_kernel;
    u8 min_alignment;
    u16 xloadflags;
    u32 cmdline_size;
    u32 hardware_subarch;
    u64 hardware_subarch_data;
    u32 payload_offset;
    u32 payload_length;
    u64 setup_data;
    u64 pref_address;
    u32 init_size;
    u32 handover_offset;
    u32 kernel_info_offset;
};
inline constexpr u64 setup_header_offset = 0x1f1;
inline constexpr u64 setup_header_limit = 0x290; ///< boot_params holds other things from here on
static_assert(setup_header_offset + offsetof(SetupHeader, boot_flag) == 0x1fe);
static_assert(setup_header_offset + offsetof(SetupHeader, version) == 0x206);
static_assert(setup_header_offset + offsetof(SetupHeader, type_of_loader) == 0x210);
static_assert(setup_header_offset + offsetof(SetupHeader, cmd_line_ptr) == 0x228);
static_assert(setup_header_offset + offsetof(SetupHeader, pref_address) == 0x258);
static_assert(setup_header_offset + sizeof(SetupHeader) == 0x26c);

inline constexpr u16 boot_flag_value = 0xaa55;
inline constexpr u32 header_magic = 0x5372'6448; ///< "HdrS"
inline constexpr u16 oldest_version = 0x020c;    ///< the first with xloadflags
inline constexpr u8 LOADED_HIGH = 1 << 0;
inline constexpr u16 XLF_KERNEL_64 = 1 << 0;
inline constexpr u64 entry_64_offset = 0x200;

struct E820Entry {
    u64 addr;
    u64 size;
    u32 type; ///< 1: RAM, 2: reserved
};
static_assert(sizeof(E820Entry) == 20);

struct BootParams {
    std::array<u8, 0x70> unused_000;
    u64 acpi_rsdp_addr;
    std::array<u8, 0x48> unused_078;
    u32 ext_ramdisk_image;
    u32 ext_ramdisk_size;
    u32 ext_cmd_line_ptr;
    std::array<u8, 0x11c> unused_0cc;
    u8 e820_entries;
    std::array<u8, 8> unused_1e9; ///< with the sentinel, which has to be 0
    SetupHeader hdr;
    std::array<u8, 0x64> unused_26c;
    std::array<E820Entry, 128> e820_table;
    std::array<u8, 0x330> unused_cd0;
};
static_assert(sizeof(BootParams) == 4096);
static_assert(offsetof(BootParams, acpi_rsdp_addr) == 0x70 && offsetof(BootParams, ext_ramdisk_image) == 0xc0);
static_assert(offsetof(BootParams, e820_entries) == 0x1e8 && offsetof(BootParams, hdr) == setup_header_offset);
static_assert(offsetof(BootParams, e820_table) == 0x2d0);

#pragma pack(pop)

} // namespace bulkhead::linux_boot
