// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "guests/lib/modes.hpp"

#include <cstring>

#include "guests/lib/cpu.hpp"
#include "guests/lib/traps.hpp"

namespace bulkhead::guest {

extern "C" {
extern u32 mode_cr0, mode_cr3, mode_cr4, mode_esp, mode_entry, mode_ds, mode_frame;
extern u8 mode_idt[];
extern const u8 mode_low_start[], mode_real_data[], mode_real_stubs[], mode_low_end[], mode_stubs[];
extern const u8 mode_enter_protected[], mode_enter_real[];
void mode_enter();
alignas(16) u64 mode_gdt[MODE_GDT_ENTRIES];
}

LegacyTables legacy_tables;
alignas(128) TaskState32 legacy_task;
std::array<u64, 256> legacy_gates;

namespace {

enum class Paging : u8 { none, two_level, pae };

struct Facts {
    std::string_view name;
    u8 bits;
    Paging paging;
    bool large;
    u16 code;
    u32 code_base;
    u16 data;
    u32 data_base;
};
constexpr u32 based_code = 0x12345000, based_data = 0xfed01000;
/// In the order of LegacyMode. Bases of real and virtual-8086 mode are their run's.
constexpr Facts all_facts[] = {
    {"real mode", 16, Paging::none, false, 0, 0, LOW_DATA, 0},
    {"real mode with 4 GiB", 16, Paging::none, false, 0, 0, KERNEL_DATA, 0},
    {"virtual-8086 mode", 16, Paging::two_level, false, 0, 0, KERNEL_DATA, 0},
    {"16-bit code", 16, Paging::none, false, FLAT_CODE16, 0, KERNEL_DATA, 0},
    {"32-bit code", 32, Paging::none, false, KERNEL_CODE32, 0, KERNEL_DATA, 0},
    {"segments with bases", 32, Paging::none, false, BASED_CODE, based_code, BASED_DATA, based_data},
    {"pages of 4 KiB", 32, Paging::two_level, false, KERNEL_CODE32, 0, KERNEL_DATA, 0},
    {"pages of 4 MiB", 32, Paging::two_level, true, KERNEL_CODE32, 0, KERNEL_DATA, 0},
    {"PAE, pages of 4 KiB", 32, Paging::pae, false, KERNEL_CODE32, 0, KERNEL_DATA, 0},
    {"PAE, pages of 2 MiB", 32, Paging::pae, true, KERNEL_CODE32, 0, KERNEL_DATA, 0},
};
constexpr const Facts& facts_of(LegacyMode mode) { return all_facts[static_cast<u64>(mode)]; }
constexpr bool is_real(LegacyMode mode) { return mode == LegacyMode::real || mode == LegacyMode::unreal; }

// SDM 3A tables 4-4 to 4-6, 4-8 to 4-11.
constexpr u32 usable = 7, is_large = 0x80, present = 1;
constexpr u64 ones_32 = 0xffffffff;
constexpr u32 window = 0x80000000, low_window = 0x90000; // the latter in the page table of virtual-8086 mode

struct [[gnu::packed]] TablePointer {
    u16 limit;
    u32 base;
};

u32 low(const void* address) { return static_cast<u32>(reinterpret_cast<u64>(address)); }
u16 in_low_segment(const u8* place) { return static_cast<u16>(LOW_CODE + (place - mode_low_start)); }

void make_tables() {
    LegacyTables& t = legacy_tables;
    t = {};
    constexpr u32 identity = 32 * MiB; // the program and its stacks
    for (u32 i = 0; i < 1024; ++i)
        t.low_table[i] = i * 4096 | usable;
    for (u32 at = 0; at < identity; at += 4 * MiB)
        t.directory[at / (4 * MiB)] = at | usable | is_large;
    t.directory[0] = low(t.low_table) | usable;
    for (u32 at = 0; at < identity; at += 2 * MiB)
        t.pae_low[at / (2 * MiB)] = at | usable | is_large;
    t.pae_pointers[0] = low(t.pae_low) | present;
    t.pae_pointers[window / GiB] = low(t.pae_window) | present;
}

void make_descriptors() {
    constexpr u64 code = 0x9b, data = 0x93, pages_32 = 0xc, pages_16 = 0x8, pages_64 = 0xa, task = 0x89;
    std::memset(mode_gdt, 0, sizeof mode_gdt);
    const auto set = [](u64 selector, u64 value) { mode_gdt[selector / 8] = value; };
    set(KERNEL_CODE32, descriptor(0, 0xfffff, code, pages_32));
    set(KERNEL_CODE64, descriptor(0, 0xfffff, code, pages_64));
    set(KERNEL_DATA, descriptor(0, 0xfffff, data, pages_32));
    set(FLAT_CODE16, descriptor(0, 0xfffff, code, pages_16));
    set(LOW_CODE16, descriptor(LOW_ADDRESS, 0xffff, code));
    set(LOW_DATA, descriptor(LOW_ADDRESS, 0xffff, data));
    set(BASED_CODE, descriptor(based_code, 0xfffff, code, pages_32));
    set(BASED_DATA, descriptor(based_data, 0xfffff, data, pages_32));
    set(TASK32, descriptor(low(&legacy_task), sizeof legacy_task - 1, task));
    legacy_task = {};
    legacy_task.esp0 = mode_stack_top - 0x1000;
    legacy_task.ss0 = KERNEL_DATA;
    legacy_task.io_map = static_cast<u16>(offsetof(TaskState32, ports));
    legacy_task.ports.back() = 0xff; // SDM 1 19.5.2
}

/// What vector n leads to: SDM 3A 6.11, 21.1.4.
void make_vectors() {
    auto* const vectors = reinterpret_cast<u32*>(LOW_ADDRESS);
    for (u32 i = 0; i < 256; ++i) {
        const u64 stub = low(mode_stubs) + 16 * i;
        const u64 user = i == returned ? 0x6000 : 0;
        legacy_gates[i] = (stub & 0xffff) | u64{KERNEL_CODE32} << 16 | (0x8e00 | user) << 32 | stub >> 16 << 48;
        vectors[i] = u32{LOW_SEGMENT} << 16 | (in_low_segment(mode_real_stubs) + 8 * i);
    }
}

template <typename T> T at_frame(u32 offset) { return at<const T>(mode_frame + offset); }

LegacyEnd read_end(LegacyMode mode) {
    LegacyEnd end;
    constexpr u32 frame_size = 64;
    if (mode_frame - LOW_ADDRESS > 0x10000 - frame_size) // its stack was not ours any more
        return end;
    std::memcpy(&end.registers, reinterpret_cast<const void*>(u64{mode_frame}), sizeof end.registers);
    end.registers.esp = 0;
    if (is_real(mode)) {
        end.vector = at_frame<u16>(32);
        end.eip = at_frame<u16>(34);
        end.cs = at_frame<u16>(36);
    } else {
        end.vector = at_frame<u32>(32);
        end.error = at_frame<u32>(36);
        end.eip = at_frame<u32>(40);
        end.cs = at_frame<u16>(44);
    }
    return end;
}

/// The stack from which the code is entered.
class EntryStack {
public:
    template <typename... T>
    explicit EntryStack(const LegacyRegisters& registers, T... words)
        : at_(mode_stack_top - static_cast<u32>((sizeof registers + ... + sizeof(T)))) {
        std::memcpy(reinterpret_cast<void*>(u64{at_}), &registers, sizeof registers);
        u64 next = at_ + sizeof registers;
        ((at<T>(next) = words, next += sizeof(T)), ...);
    }
    [[nodiscard]] u32 address() const { return at_; }

private:
    u32 at_;
};

LegacyAddress code_of(u32 linear, const LegacyRun& run) {
    return run.cs == 0 ? address_of(LegacyMode::real, linear) : LegacyAddress{run.cs, linear - (u32{run.cs} << 4)};
}

void enter_real(u32 linear, const LegacyRun& run) {
    const LegacyAddress code = code_of(linear, run);
    const EntryStack stack(run.registers, static_cast<u16>(code.offset), code.segment, static_cast<u16>(run.flags));
    const u64 data = LOW_ADDRESS + in_low_segment(mode_real_data);
    at<u16>(data) = run.ds;
    at<u16>(data + 2) = run.es;
    at<u32>(data + 4) = stack.address() - LOW_ADDRESS;
    mode_entry = low(mode_enter_real);
    mode_enter();
}

void enter_protected(LegacyMode mode, u32 linear, const LegacyRun& run) {
    mode_entry = low(mode_enter_protected);
    if (mode != LegacyMode::virtual8086) {
        const EntryStack stack(run.registers, linear - facts_of(mode).code_base, u32{facts_of(mode).code}, run.flags);
        mode_esp = stack.address();
        return mode_enter();
    }
    constexpr u32 vm = 1 << 17, io_privilege = 3 << 12;
    const LegacyAddress code = code_of(linear, run);
    const EntryStack stack(run.registers, code.offset, u32{code.segment}, run.flags | vm | io_privilege,
                           mode_stack_top - LOW_ADDRESS, u32{LOW_SEGMENT}, u32{run.es}, u32{run.ds}, u32{run.ds},
                           u32{run.ds});
    mode_esp = stack.address();
    mode_enter();
}

} // namespace

std::string_view name_of(LegacyMode mode) { return facts_of(mode).name; }
unsigned bits_of(LegacyMode mode) { return facts_of(mode).bits; }
bool has_paging(LegacyMode mode) { return facts_of(mode).paging != Paging::none; }
bool has_small_segments(LegacyMode mode) { return mode == LegacyMode::real || mode == LegacyMode::virtual8086; }

void restore_low_segment() {
    std::memcpy(reinterpret_cast<void*>(LOW_ADDRESS + LOW_CODE), mode_low_start,
                static_cast<u64>(mode_low_end - mode_low_start));
    make_vectors();
}

void prepare_modes() {
    restore_low_segment();
    make_tables();
    make_descriptors();
}

bool reaches(LegacyMode mode, u64 physical) {
    static const u64 bits = cpuid(0x80000008).eax & 0xff;
    const Facts& facts = facts_of(mode);
    if (mode == LegacyMode::real)
        return physical < MiB;
    if (facts.paging == Paging::pae)
        return physical >> bits == 0;
    return physical >> (mode != LegacyMode::large ? 32 : bits < 40 ? bits : 40) == 0;
}

namespace {

u64 page_size_of(LegacyMode mode) {
    return !facts_of(mode).large ? 4 * KiB : facts_of(mode).paging == Paging::pae ? 2 * MiB : 4 * MiB;
}

/// The entry that maps the page with this address.
u64 entry_of(LegacyMode mode, u64 physical) {
    const u64 page = physical & ~(page_size_of(mode) - 1);
    if (mode == LegacyMode::large) // bits 39 to 32 are in bits 20 to 13
        return (page & ones_32) | (page >> 32 & 0xff) << 13 | usable | is_large;
    return page | usable | (facts_of(mode).large ? is_large : 0);
}

} // namespace

u32 show_before(LegacyMode mode, u64 physical, u64 next_entry) {
    LegacyTables& t = legacy_tables;
    const Facts& facts = facts_of(mode);
    if (facts.paging == Paging::none)
        return static_cast<u32>(physical);
    const u64 first = entry_of(mode, physical);
    const u32 in_page = static_cast<u32>(physical & (page_size_of(mode) - 1));
    if (facts.paging == Paging::pae) {
        u64* const entries = facts.large ? t.pae_window : t.pae_table;
        t.pae_window[0] = low(t.pae_table) | usable;
        entries[0] = first;
        entries[1] = next_entry;
        return window + in_page;
    }
    const bool is_low = mode == LegacyMode::virtual8086;
    u32* const entries = facts.large ? t.directory + (window >> 22)
                         : is_low    ? t.low_table + (low_window >> 12)
                                     : t.window_table;
    t.directory[window >> 22] = low(t.window_table) | usable;
    entries[0] = static_cast<u32>(first);
    entries[1] = static_cast<u32>(next_entry);
    return (is_low ? low_window : window) + in_page;
}

u32 show(LegacyMode mode, u64 physical, bool next) {
    return show_before(mode, physical, next ? entry_of(mode, physical + page_size_of(mode)) : 0);
}

LegacyAddress address_of(LegacyMode mode, u32 linear) {
    if (!has_small_segments(mode))
        return {.segment = 0, .offset = linear - facts_of(mode).data_base};
    const u32 segment = (linear < MiB ? linear & 0xf0000 : 0xffff0) >> 4;
    return {.segment = static_cast<u16>(segment), .offset = linear - (segment << 4)};
}

LegacyEnd run_at(LegacyMode mode, u32 linear, const LegacyRun& run) {
    constexpr u64 busy = u64{2} << 40, cr0_pg = u64{1} << 31, cr4_pse = 0x10, cr4_pae = 0x20;
    const Facts& facts = facts_of(mode);
    mode_gdt[TASK32 / 8] &= ~busy;
    const TablePointer pointer = is_real(mode) ? TablePointer{0x3ff, LOW_ADDRESS}
                                               : TablePointer{sizeof legacy_gates - 1, low(legacy_gates.data())};
    std::memcpy(mode_idt, &pointer, sizeof pointer);
    mode_cr0 = static_cast<u32>((read_cr0() & ~cr0_pg) | (facts.paging == Paging::none ? 0 : cr0_pg));
    mode_cr3 = facts.paging == Paging::pae ? low(legacy_tables.pae_pointers) : low(legacy_tables.directory);
    mode_cr4 = facts.paging == Paging::pae ? cr4_pae : cr4_pse;
    mode_esp = mode_stack_top;
    mode_ds = facts.data;
    mode_frame = 0;
    if (is_real(mode))
        enter_real(linear, run);
    else
        enter_protected(mode, linear, run);
    load_traps();
    return read_end(mode);
}

LegacyEnd run_legacy(LegacyMode mode, std::span<const u8> code, const LegacyRun& run) {
    constexpr u8 end[] = {0xcd, static_cast<u8>(returned)};
    const u32 linear = mode_code + run.offset;
    std::memcpy(reinterpret_cast<void*>(u64{linear}), code.data(), code.size());
    std::memcpy(reinterpret_cast<void*>(u64{linear} + code.size()), end, sizeof end);
    return run_at(mode, linear, run);
}

} // namespace bulkhead::guest
