// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "boot/guest/direct_boot.hpp"

#include <algorithm>
#include <array>
#include <cstring>

#include "boot/guest/long_mode.hpp"
#include "boot/guest/start_info.hpp"
#include "devices/platform.hpp"

namespace bulkhead {

namespace {

// Where things are in the area. Page tables come first.
constexpr u64 gdt_offset = long_mode_tables_size;
constexpr u64 way_offset = gdt_offset + 0x80;
constexpr u64 rest_offset = gdt_offset + 0x100;

// Selectors of the descriptor table.
constexpr u16 code64_selector = 0x10;
constexpr u16 data_selector = 0x18;
constexpr u16 code32_selector = 0x20;
constexpr u16 tss_selector = 0x28;
/// SDM 3A 3.4.5, 9.2.2. The TSS of 32 bits, at 0, is for PVH alone, which demands one.
constexpr std::array<u64, 6> gdt{
    0, 0, 0x00af'9b00'0000'ffff, 0x00cf'9300'0000'ffff, 0x00cf'9b00'0000'ffff, 0x0000'8900'0000'0067};

/// The stack of a flat binary, whose user may have thought of none: ordinary RAM, which ends there.
constexpr u64 flat_stack_end = 0x9fc00;

/// From the mode in which vCPUs start to 32-bit protected mode without paging, then to the kernel. Position and
/// registers are filled in.
constexpr std::array<u8, 70> way_to_32_bits{0xff, 0x2c,
                                            0x25, 0,
                                            0,    0,
                                            0, // 00: ljmp *[pointer]
                                            0xb8, 0x11,
                                            0,    0,
                                            0, // 07: mov eax, CR0.PE | CR0.ET
                                            0x0f, 0x22,
                                            0xc0, // 0c: mov cr0, eax: paging off ends 64-bit mode (SDM 3A 10.8.5.4)
                                            0x31, 0xc0, // 0f: xor eax, eax
                                            0x31, 0xd2, // 11: xor edx, edx
                                            0xb9, 0x80,
                                            0,    0,
                                            0xc0,       // 13: mov ecx, IA32_EFER
                                            0x0f, 0x30, // 18: wrmsr
                                            0x0f, 0x22,
                                            0xe0, // 1a: mov cr4, eax
                                            0x0f, 0x22,
                                            0xd8,               // 1d: mov cr3, eax
                                            0xb1, tss_selector, // 20: mov cl, tss_selector
                                            0x66, 0x0f,
                                            0xb6, 0xc9, // 22: movzx cx, cl
                                            0x0f, 0x00,
                                            0xd9,       // 26: ltr cx
                                            0x31, 0xc9, // 29: xor ecx, ecx
                                            0x31, 0xf6, // 2b: xor esi, esi
                                            0x31, 0xff, // 2d: xor edi, edi
                                            0x31, 0xed, // 2f: xor ebp, ebp
                                            0x31, 0xe4, // 31: xor esp, esp
                                            0xb8, 0,
                                            0,    0,
                                            0, // 33: mov eax, magic
                                            0xbb, 0,
                                            0,    0,
                                            0, // 38: mov ebx, information
                                            0xea, 0,
                                            0,    0,
                                            0,    code32_selector,
                                            0, // 3d: ljmp code32_selector:entry
                                            0,    0};
constexpr u64 pointer_operand = 0x03, magic_operand = 0x34, information_operand = 0x39, entry_operand = 0x3e;
constexpr u64 after_first_jump = 0x07;
/// Of the 16:32 bits that the first jump reads.
constexpr u64 pointer_offset = 0x48;
static_assert(way_offset + pointer_offset + 6 <= rest_offset && pointer_offset >= way_to_32_bits.size());

/// Puts things one behind the other, and knows their addresses in the guest.
class Writer {
public:
    Writer(std::span<u8> area, u64 used) : area_(area), used_(used) {}

    template <class T> u32 put(const T& value) { return put_bytes(&value, sizeof value); }
    u32 put_text(std::string_view text) {
        const u32 address = put_bytes(text.data(), text.size());
        ++used_; // the zero is there already
        return address;
    }
    /// Where the next thing will be.
    [[nodiscard]] u32 here() {
        used_ = align_up(used_, 8);
        return static_cast<u32>(direct_area.value + used_);
    }
    [[nodiscard]] bool full() const { return used_ > area_.size(); }

private:
    u32 put_bytes(const void* bytes, u64 size) {
        const u32 address = here();
        if (used_ <= area_.size() && size < area_.size() - used_)
            std::memcpy(area_.subspan(used_, size).data(), bytes, size);
        else
            used_ = area_.size(); // and with what follows, more
        used_ += size;
        return address;
    }

    std::span<u8> area_;
    u64 used_;
};

template <class T> void put_at(std::span<u8> memory, u64 offset, const T& value) {
    std::memcpy(memory.subspan(offset, sizeof value).data(), &value, sizeof value);
}

/// Calls `add` for each range of the memory map, ascending.
template <class Add> void for_each_range(const GuestRam& ram, Add add) {
    // As a PC has it: the last KiB below 640 KiB was the BIOS' own. The first range has all of the first MiB.
    constexpr u64 low_end = 0x9fc00;
    add(0, low_end, memory_usable);
    add(low_end, 1 * MiB - low_end, memory_reserved);
    for (const GuestRange& range : ram) {
        const u64 start = std::max(range.start.value, 1 * MiB);
        add(start, range.end().value - start, memory_usable);
    }
}

using ModuleTexts = StaticVector<u32, max_loaded_files>;

u32 write_start_info(const DirectPlan& plan, u32 cmdline, const ModuleTexts& texts, Writer& writer) {
    HvmStartInfo info;
    info.rsdp_paddr = platform::firmware_area.value;
    info.cmdline_paddr = cmdline;
    info.memmap_paddr = writer.here();
    for_each_range(plan.ram, [&](u64 start, u64 size, u32 type) {
        writer.put(HvmMemory{start, size, type, 0});
        ++info.memmap_entries;
    });
    info.nr_modules = static_cast<u32>(plan.modules.size());
    info.modlist_paddr = plan.modules.empty() ? 0 : writer.here();
    for (std::size_t i = 0; i < plan.modules.size(); ++i)
        writer.put(HvmModule{plan.modules[i].start.value, plan.modules[i].size, texts[i], 0});
    return writer.put(info);
}

u32 write_multiboot_info(const DirectPlan& plan, u32 cmdline, const ModuleTexts& texts, Writer& writer) {
    MultibootInfo info;
    info.boot_loader_name = writer.put_text("Bulkhead");
    info.cmdline = cmdline;
    info.mmap_addr = writer.here();
    for_each_range(plan.ram, [&](u64 start, u64 size, u32 type) {
        writer.put(MultibootMemory{.base_addr_low = static_cast<u32>(start),
                                   .base_addr_high = static_cast<u32>(start >> 32),
                                   .length_low = static_cast<u32>(size),
                                   .length_high = static_cast<u32>(size >> 32),
                                   .type = type});
        info.mmap_length += sizeof(MultibootMemory);
        if (start == 0)
            info.mem_lower = static_cast<u32>(size / KiB);
        if (start == 1 * MiB)
            info.mem_upper = static_cast<u32>(size / KiB);
    });
    info.mods_count = static_cast<u32>(plan.modules.size());
    info.mods_addr = writer.here();
    for (std::size_t i = 0; i < plan.modules.size(); ++i)
        writer.put(MultibootModule{static_cast<u32>(plan.modules[i].start.value),
                                   static_cast<u32>(plan.modules[i].end().value), texts[i], 0});
    return writer.put(info);
}

void write_way_to_32_bits(const DirectPlan& plan, u32 information, std::span<u8> area) {
    const u32 way = static_cast<u32>(direct_area.value + way_offset);
    const std::span<u8> code = area.subspan(way_offset, pointer_offset + 6);
    std::ranges::copy(way_to_32_bits, code.begin());
    put_at(code, pointer_operand, static_cast<u32>(way + pointer_offset));
    put_at(code, pointer_offset, static_cast<u32>(way + after_first_jump));
    put_at(code, pointer_offset + 4, code32_selector);
    put_at(code, magic_operand, plan.format == KernelFormat::Multiboot ? multiboot_loader_magic : 0);
    put_at(code, information_operand, information);
    put_at(code, entry_operand, static_cast<u32>(plan.program.entry.value));
}

} // namespace

Result<EntryState> write_direct_boot(const DirectPlan& plan, std::string_view cmdline,
                                     std::span<const std::string_view> texts, std::span<u8> area) {
    if (area.size() < direct_area_size || texts.size() != plan.modules.size())
        return fail("no room for what the guest is told: bytes", area.size());
    write_long_mode_tables(direct_area, area);
    put_at(area, gdt_offset, gdt);
    Writer writer(area, rest_offset);
    const u32 cmdline_address = writer.put_text(cmdline);
    ModuleTexts addresses;
    for (const std::string_view text : texts)
        static_cast<void>(addresses.push_back(writer.put_text(text))); // as many as plan.modules
    const bool flat = plan.format == KernelFormat::Flat;
    const u32 information = plan.format == KernelFormat::Multiboot
                                ? write_multiboot_info(plan, cmdline_address, addresses, writer)
                                : write_start_info(plan, cmdline_address, addresses, writer);
    if (writer.full())
        return fail("the command line and the modules' words are too long together: bytes", cmdline.size());
    if (!flat)
        write_way_to_32_bits(plan, information, area);
    return EntryState{
        .rip = flat ? plan.program.entry.value : direct_area.value + way_offset,
        .rsi = information,
        .rsp = flat_stack_end,
        .cr3 = direct_area.value,
        .gdt_base = direct_area.value + gdt_offset,
        .gdt_limit = sizeof gdt - 1,
        .code_selector = code64_selector,
        .data_selector = data_selector,
    };
}

} // namespace bulkhead
