// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// A vCPU whose registers, page tables and code come from the input, for the targets that emulate instructions.
#pragma once

#include <array>

#include "arch/x86_64/control_bits.hpp"
#include "core/guest_operand.hpp"
#include "fuzz/fuzz.hpp"
#include "unit/core/identity_tables.hpp"

namespace bulkhead::fuzz {

/// Of the small pages two are mapped. The input then changes entries.
struct EmulatedMachine {
    using Tables = test::IdentityTables;

    test::GuestRam& ram;
    GuestMemory memory = ram.memory();
    GuestView view{memory, {}};
    Registers registers;
    u64 rflags = rflags::fixed_1;

    explicit EmulatedMachine(Reader& reader) : ram(shared_ram()) {
        ram.clear();
        Tables tables(ram);
        ram.put<u64>(Tables::pt, 0x20'0007);
        ram.put<u64>(Tables::pt + 8, 0x30'0007);
        set_mode(reader);
        for (u64& value : registers.gpr)
            value = address(reader);
        for (unsigned i = reader.take<u8>() % 4; i > 0; --i) {
            const u64 at = Tables::pml4 + reader.take<u16>() % (Tables::end - Tables::pml4) / 8 * 8;
            ram.put<u64>(at, reader.take<u64>());
        }
    }

    /// One that something is at, or near.
    static u64 address(Reader& reader) {
        constexpr std::array<u64, 8> bases{0,
                                           Tables::device,
                                           0x20'0000,
                                           Tables::small_pages,
                                           4 * GiB,
                                           0xa'0000,
                                           0xffff'ffff'ffff'f000,
                                           test::GuestRam::high_end};
        const u16 bits = reader.take<u16>();
        const u64 offset = static_cast<u64>(static_cast<i16>(bits) >> 3);
        return bases[bits & 7] + offset;
    }

private:
    static test::GuestRam& shared_ram() {
        static test::GuestRam one(true);
        return one;
    }
    void set_mode(Reader& reader) {
        const u8 mode = reader.take<u8>(), paging = reader.take<u8>(), flags = reader.take<u8>();
        view.mode = static_cast<CpuMode>(2 - mode % 3);
        const auto bit = [](u8 bits, unsigned number, u64 value) { return (bits >> number & 1) != 0 ? value : 0; };
        PagingState& state = view.paging;
        state.cr0 = cr0::PE | bit(paging, 0, cr0::WP) | bit(static_cast<u8>(~paging), 1, cr0::PG);
        state.cr3 = Tables::pml4;
        state.cr4 = bit(static_cast<u8>(~paging), 2, cr4::PAE) | bit(paging, 3, cr4::PSE) | bit(paging, 4, cr4::SMEP) |
                    bit(paging, 5, cr4::SMAP) | bit(paging, 6, cr4::LA57);
        state.efer = bit(paging, 7, efer::NXE) | bit(static_cast<u8>(~mode), 7, efer::LMA);
        state.cpl = flags & 3;
        rflags |= bit(flags, 2, rflags::DF) | bit(flags, 3, rflags::AC) | bit(flags, 4, rflags::CF);
        state.rflags = rflags;
        for (SegmentState& segment : view.segments) { // flat, or as the input says
            const u32 base = reader.take<u32>(), limit = reader.take<u32>();
            const u16 attributes = reader.take<u16>();
            segment = {bit(mode, 6, base), (mode & 0x20) != 0 ? limit : ~0u,
                       static_cast<u16>((mode & 0x10) != 0 ? attributes : 0xc93)};
        }
    }
};

} // namespace bulkhead::fuzz
