// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#pragma once

#include <array>
#include <span>
#include <string_view>

#include "base/types.hpp"
#include "guests/lib/modes.h"

/// Running code in the modes without long mode.
namespace bulkhead::guest {

enum class LegacyMode {
    real,
    unreal, ///< real mode whose data segments kept a limit of 4 GiB
    virtual8086,
    protected16, ///< 16-bit code, flat
    protected32,
    based,     ///< 32-bit code whose segments begin elsewhere: most offsets are negative
    small,     ///< paging in two levels, pages of 4 KiB
    large,     ///< pages of 4 MiB, PSE-36
    pae_small, ///< PAE paging, pages of 4 KiB
    pae_large, ///< pages of 2 MiB
};
inline constexpr LegacyMode legacy_modes[] = {
    LegacyMode::real,  LegacyMode::unreal, LegacyMode::virtual8086, LegacyMode::protected16, LegacyMode::protected32,
    LegacyMode::based, LegacyMode::small,  LegacyMode::large,       LegacyMode::pae_small,   LegacyMode::pae_large};
std::string_view name_of(LegacyMode mode);
/// 16 or 32: of operands and addresses, without prefixes.
unsigned bits_of(LegacyMode mode);
bool has_paging(LegacyMode mode);
/// Segments of 64 KiB.
bool has_small_segments(LegacyMode mode);

/// What code may use in every mode: linear addresses, of RAM.
inline constexpr u32 mode_code = LOW_ADDRESS + 0x2000, mode_buffer = LOW_ADDRESS + 0x4000,
                     mode_stack_top = LOW_ADDRESS + 0xe000;

/// Tables and code are as they were at the start: once a life, and when code may have damaged them.
void prepare_modes();
/// The cheap part of that: what is below 1 MiB.
void restore_low_segment();

/// Whether show() can make it seen.
bool reaches(LegacyMode mode, u64 physical);
/// The linear address at which two pages, the first with `physical`, are seen. The second is absent without `next`.
u32 show(LegacyMode mode, u64 physical, bool next = true);
/// The same for any entry of the second page.
u32 show_before(LegacyMode mode, u64 physical, u64 next_entry);

/// A segment for data, and the offset there of a linear address.
struct LegacyAddress {
    u16 segment;
    u32 offset;
};
LegacyAddress address_of(LegacyMode mode, u32 linear);

struct LegacyRegisters {
    u32 edi = 0, esi = 0, ebp = 0, esp = 0, ebx = 0, edx = 0, ecx = 0, eax = 0; // as PUSHAD has them
    bool operator==(const LegacyRegisters&) const = default;
};
/// How a run ended: the vector is `returned` if the code came to its end.
struct LegacyEnd {
    LegacyRegisters registers; ///< but ESP, which is 0
    u32 vector = 0, error = 0, eip = 0, cs = 0;
};

struct LegacyRun {
    LegacyRegisters registers{};
    u16 ds = 0, es = 0; ///< of real and virtual-8086 mode
    u16 cs = 0;         ///< the same; 0: one that has the code
    u32 flags = 2;
    u32 offset = 0; ///< in the page of mode_code
};
/// Runs from a linear address on, until an exception or an interrupt.
LegacyEnd run_at(LegacyMode mode, u32 linear, const LegacyRun& run);
/// Runs a copy of this code in the page at mode_code.
LegacyEnd run_legacy(LegacyMode mode, std::span<const u8> code, const LegacyRun& run);

/// For what is to be wrong in them.
struct LegacyTables {
    alignas(4096) u32 directory[1024];
    alignas(4096) u32 low_table[1024];
    alignas(4096) u32 window_table[1024];
    alignas(4096) u64 pae_pointers[512]; ///< the first four
    alignas(4096) u64 pae_low[512];
    alignas(4096) u64 pae_window[512];
    alignas(4096) u64 pae_table[512];
};
extern LegacyTables legacy_tables;
extern std::array<u64, 256> legacy_gates; ///< protected mode's
extern "C" u64 mode_gdt[MODE_GDT_ENTRIES];

/// SDM 3A figure 8-2. Behind it is the map of ports.
struct TaskState32 {
    u32 link, esp0, ss0, esp1, ss1, esp2, ss2, cr3, eip, eflags, eax, ecx, edx, ebx, esp, ebp, esi, edi;
    u32 es, cs, ss, ds, fs, gs, ldt;
    u16 trap, io_map;
    std::array<u8, 8193> ports;
};
extern TaskState32 legacy_task;
/// SDM 3A figure 3-8. `access`: P, DPL, S and type; `flags`: G, D/B, L, AVL.
constexpr u64 descriptor(u64 base, u64 limit, u64 access, u64 flags = 0) {
    return (limit & 0xffff) | (base & 0xffffff) << 16 | access << 40 | (limit >> 16 & 15) << 48 | flags << 52 |
           (base >> 24 & 0xff) << 56;
}

} // namespace bulkhead::guest
