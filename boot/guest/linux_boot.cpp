// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "boot/guest/linux_boot.hpp"

#include <algorithm>
#include <bit>
#include <cstring>
#include <new>
#include <optional>

#include "boot/guest/linux_layout.hpp"
#include "boot/guest/long_mode.hpp"
#include "devices/platform.hpp"

namespace bulkhead {

using namespace linux_boot;

namespace {

// Where things are in the guest's first MiB. Linux takes what it still needs and then uses the memory as it likes.
namespace low_memory {
constexpr u64 gdt = 0x1000;
constexpr u64 boot_params = 0x2000;
constexpr u64 page_map_level_4 = 0x3000; // with the other tables behind it
constexpr u64 stack_end = 0xa000;
constexpr u64 command_line = 0x10000;
constexpr u64 command_line_size = 0x10000; // its zero included
constexpr u64 usable_end = 0x9fc00;
} // namespace low_memory

constexpr u64 highest_guest_address = u64{1} << 52;

void put(std::span<u8> memory, u64 offset, const void* bytes, u64 size) {
    std::memcpy(memory.subspan(offset, size).data(), bytes, size);
}

Result<void> check_identity(const SetupHeader& header) {
    if (header.boot_flag != boot_flag_value || header.header != header_magic)
        return fail("not a bzImage: no HdrS signature", header.header);
    if (header.version < oldest_version)
        return fail("the kernel's boot protocol is older than 2.12", header.version);
    if ((header.loadflags & LOADED_HIGH) == 0)
        return fail("the kernel is a zImage, not a bzImage", header.loadflags);
    if ((header.xloadflags & XLF_KERNEL_64) == 0)
        return fail("the kernel has no 64-bit entry point", header.xloadflags);
    // Everything up to init_size is used below.
    if (0x202u + header.jump_distance < setup_header_offset + offsetof(SetupHeader, handover_offset))
        return fail("the kernel's setup header is shorter than its version says", header.jump_distance);
    return {};
}

Result<void> check_numbers(const LinuxImage& image, u64 wanted_payload) {
    if (image.payload_size == 0 || image.payload_size < wanted_payload)
        return fail("the kernel's file is truncated: bytes missing", wanted_payload - image.payload_size);
    if (image.payload_size <= entry_64_offset)
        return fail("the kernel has no code at its 64-bit entry point", image.payload_size);
    if (image.init_size < image.payload_size)
        return fail("the kernel's init_size is smaller than the kernel", image.init_size);
    if (!std::has_single_bit(image.kernel_alignment))
        return fail("the kernel's alignment is not a power of two", image.kernel_alignment);
    return {};
}

/// The part of `range` inside [from, to).
GuestRange clip(GuestRange range, u64 from, u64 to) {
    const u64 start = std::max(range.start.value, from);
    const u64 end = std::min(range.end().value, to);
    return {{start}, end > start ? end - start : 0};
}

/// Never below pref_address: a kernel that is loaded there unpacks itself there all the same, and needs init_size from
/// there on (boot.rst, "The kernel runtime start address").
std::optional<GuestPhysical> place_kernel(const LinuxImage& image, const GuestRam& ram) {
    for (const GuestRange& range : ram) {
        const GuestRange free = clip(range, 1 * MiB, platform::low_ram_limit);
        if (image.pref_address >= free.start.value && image.pref_address < free.end().value &&
            free.end().value - image.pref_address >= image.init_size)
            return GuestPhysical{image.pref_address};
    }
    if (!image.relocatable)
        return std::nullopt;
    for (const GuestRange& range : ram) {
        const GuestRange free = clip(range, std::max(1 * MiB, image.pref_address), platform::low_ram_limit);
        if (free.size < image.init_size)
            continue;
        const GuestPhysical start = free.start.align_up(image.kernel_alignment);
        if (start < free.end() && free.end() - start >= image.init_size)
            return start;
    }
    return std::nullopt;
}

/// The highest page-aligned place for the initrd that is RAM, allowed, and not the kernel's.
std::optional<GuestPhysical> place_initrd(const LinuxPlan& plan) {
    const u64 limit = std::min(plan.image.initrd_addr_max + 1, platform::low_ram_limit);
    const u64 kernel_end = plan.kernel.value + plan.image.init_size;
    for (std::size_t i = plan.ram.size(); i-- > 0;) {
        for (const GuestRange& free : {clip(plan.ram[i], std::max(kernel_end, 1 * MiB), limit),
                                       clip(plan.ram[i], 1 * MiB, std::min(plan.kernel.value, limit))}) {
            if (free.size < plan.initrd_size)
                continue;
            const GuestPhysical start = (free.end() - plan.initrd_size).align_down(page_size);
            if (start >= free.start)
                return start;
        }
    }
    return std::nullopt;
}

void write_e820(BootParams& params, const GuestRam& ram) {
    const auto add = [&](u64 start, u64 end, u32 type) {
        params.e820_table[params.e820_entries++] = {start, end - start, type};
    };
    constexpr u32 usable = 1, reserved = 2;
    // The first range is the one that contains the first MiB: see merge_guest_ram.
    add(0, low_memory::usable_end, usable);
    add(low_memory::usable_end, 1 * MiB, reserved);
    for (const GuestRange& range : ram)
        add(std::max(range.start.value, 1 * MiB), range.end().value, usable);
}

void write_boot_params(const LinuxPlan& plan, std::span<const u8> kernel, std::span<u8> low) {
    // In place, as 4 KiB would be a large part of a stack.
    BootParams& params = *new (low.subspan(low_memory::boot_params, sizeof(BootParams)).data()) BootParams{};
    const u8 distance = kernel[setup_header_offset + offsetof(SetupHeader, jump_distance)];
    const u64 header_end = std::min<u64>(0x202u + distance, setup_header_limit);
    put({reinterpret_cast<u8*>(&params), sizeof params}, setup_header_offset, kernel.data() + setup_header_offset,
        header_end - setup_header_offset);
    params.hdr.type_of_loader = 0xff; // a loader without a number of its own
    params.hdr.code32_start = static_cast<u32>(plan.kernel.value);
    params.hdr.ramdisk_image = static_cast<u32>(plan.initrd.value);
    params.hdr.ramdisk_size = static_cast<u32>(plan.initrd_size);
    params.ext_ramdisk_image = static_cast<u32>(plan.initrd.value >> 32);
    params.ext_ramdisk_size = static_cast<u32>(plan.initrd_size >> 32);
    params.hdr.cmd_line_ptr = low_memory::command_line;
    params.hdr.hardware_subarch = 0; // PC
    params.hdr.setup_data = 0;
    params.acpi_rsdp_addr = platform::firmware_area.value;
    write_e820(params, plan.ram);
}

} // namespace

Result<GuestRam> merge_guest_ram(std::span<const MemoryChunk> chunks) {
    GuestRam ram;
    u64 end = 0;
    for (const MemoryChunk& chunk : chunks) {
        const u64 start = chunk.guest.value;
        if (start < end || start > highest_guest_address || chunk.size > highest_guest_address)
            return fail("a guest's memory is not in ascending order", start);
        if (!ram.empty() && start == end)
            ram.back().size += chunk.size;
        else if (!ram.push_back({chunk.guest, chunk.size}))
            return fail("a guest's memory has more gaps than its memory map can hold", chunks.size());
        end = start + chunk.size;
        if (end > platform::low_ram_limit && start < 4 * GiB)
            return fail("a guest's memory reaches into the hole below 4 GiB", end);
    }
    if (ram.empty() || ram[0].start.value != 0 || ram[0].size < large_page_size)
        return fail("a guest's memory does not begin with 2 MiB at address 0");
    return ram;
}

bool is_bzimage(std::span<const u8> file) {
    SetupHeader header;
    if (file.size() < setup_header_offset + sizeof header)
        return false;
    std::memcpy(&header, file.data() + setup_header_offset, sizeof header);
    return header.boot_flag == boot_flag_value && header.header == header_magic;
}

Result<LinuxImage> parse_linux_image(std::span<const u8> file) {
    SetupHeader header;
    if (file.size() < setup_header_offset + sizeof header)
        return fail("not a bzImage: the file is too short", file.size());
    std::memcpy(&header, file.data() + setup_header_offset, sizeof header);
    if (const auto known = check_identity(header); !known)
        return std::unexpected(known.error());

    LinuxImage image;
    const u64 setup_sectors = header.setup_sects != 0 ? header.setup_sects : 4;
    const u64 wanted = u64{header.syssize} * 16;
    image.payload_offset = (setup_sectors + 1) * 512;
    // What follows the kernel in its file, such as a signature, is not loaded.
    if (file.size() > image.payload_offset)
        image.payload_size = std::min<u64>(file.size() - image.payload_offset, wanted);
    image.pref_address = header.pref_address;
    image.init_size = header.init_size;
    image.kernel_alignment = header.kernel_alignment;
    image.initrd_addr_max = header.initrd_addr_max;
    image.cmdline_size = header.cmdline_size;
    image.relocatable = header.relocatable_kernel != 0;
    if (const auto good = check_numbers(image, wanted); !good)
        return std::unexpected(good.error());
    return image;
}

Result<LinuxPlan> plan_linux_boot(std::span<const u8> kernel, u64 initrd_size, std::string_view cmdline,
                                  std::span<const MemoryChunk> memory) {
    const Result<LinuxImage> image = parse_linux_image(kernel);
    if (!image)
        return std::unexpected(image.error());
    const Result<GuestRam> ram = merge_guest_ram(memory);
    if (!ram)
        return std::unexpected(ram.error());
    if (cmdline.size() > image->cmdline_size || cmdline.size() >= low_memory::command_line_size)
        return fail("the command line is longer than the kernel can take: bytes", cmdline.size());

    LinuxPlan plan{*image, *ram, {}, {}, initrd_size};
    const std::optional<GuestPhysical> kernel_place = place_kernel(*image, *ram);
    if (!kernel_place)
        return fail("the guest's memory below 4 GiB has no room for its kernel: bytes needed", image->init_size);
    plan.kernel = *kernel_place;
    if (initrd_size == 0)
        return plan;
    const std::optional<GuestPhysical> initrd_place = place_initrd(plan);
    if (!initrd_place)
        return fail("the guest's memory below 4 GiB has no room for its initrd: bytes needed", initrd_size);
    plan.initrd = *initrd_place;
    return plan;
}

u64 linux_low_memory(std::string_view cmdline) {
    return low_memory::command_line + std::min<u64>(cmdline.size() + 1, low_memory::command_line_size);
}

EntryState write_linux_boot(const LinuxPlan& plan, std::span<const u8> kernel, std::string_view cmdline,
                            std::span<u8> low) {
    // Null, unused, __BOOT_CS (64-bit code), __BOOT_DS (data). SDM 3A 3.4.5.
    constexpr std::array<u64, 4> gdt{0, 0, 0x00af'9b00'0000'ffff, 0x00cf'9300'0000'ffff};
    put(low, low_memory::gdt, gdt.data(), sizeof gdt);
    put(low, low_memory::command_line, cmdline.data(), cmdline.size()); // the zero is there already
    write_long_mode_tables({low_memory::page_map_level_4},
                           low.subspan(low_memory::page_map_level_4, long_mode_tables_size));
    write_boot_params(plan, kernel, low);
    return {
        .rip = plan.kernel.value + entry_64_offset,
        .rsi = low_memory::boot_params,
        .rsp = low_memory::stack_end,
        .cr3 = low_memory::page_map_level_4,
        .gdt_base = low_memory::gdt,
        .gdt_limit = sizeof gdt - 1,
        .code_selector = 0x10, // __BOOT_CS
        .data_selector = 0x18, // __BOOT_DS
    };
}

} // namespace bulkhead
