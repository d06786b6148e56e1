// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#pragma once

#include "base/bit_field.hpp"
#include "mm/address.hpp"
#include "mm/attributes.hpp"

namespace bulkhead {

/// Intel's extended page tables. SDM 3C 29.3.2. Accessed and dirty flags are off in the EPTP; ignore_PAT is never set,
/// as the guest's PAT is its own.
struct EptFormat {
    using Input = GuestPhysical;
    static constexpr bool sign_extended = false;

    using R = BitField<0>;
    using W = BitField<1>;
    using X = BitField<2>;
    using MemoryType = BitField<5, 3>; // of a leaf; 0 in others
    using PS = BitField<7>;
    using Frame = BitField<51, 12>;

    /// Writable without readable is a misconfiguration, execute-only is optional. SDM 3C 29.3.3.1
    static constexpr bool can_grant(Rights rights) { return rights.read; }
    static constexpr bool is_present(u64 entry) { return (entry & (R::mask | W::mask | X::mask)) != 0; }
    static constexpr bool is_leaf(u64 entry, unsigned level) { return level == 0 || PS::in(entry) != 0; }
    static constexpr HostPhysical address(u64 entry) { return {entry & Frame::mask}; }
    static constexpr Attributes attributes(u64 entry) {
        const u64 memory_type = MemoryType::in(entry);
        return {.rights = {.read = R::in(entry) != 0, .write = W::in(entry) != 0, .execute = X::in(entry) != 0},
                .kind = memory_type == type(MemoryKind::WriteBack)  ? MemoryKind::WriteBack
                        : memory_type == type(MemoryKind::Uncached) ? MemoryKind::Uncached
                                                                    : MemoryKind::WriteCombining};
    }
    static constexpr u64 table(HostPhysical frame, unsigned /*level*/) {
        return R::mask | W::mask | X::mask | (frame.value & Frame::mask);
    }
    static constexpr u64 leaf(HostPhysical frame, unsigned level, Attributes attributes) {
        const auto [rights, kind] = attributes;
        return R::of(rights.read) | W::of(rights.write) | X::of(rights.execute) | MemoryType::of(type(kind)) |
               PS::of(level > 0) | (frame.value & Frame::mask);
    }

private:
    static constexpr u64 type(MemoryKind kind) { // SDM 3A table 13-2
        switch (kind) {
        case MemoryKind::WriteBack:
            return 6;
        case MemoryKind::Uncached:
            return 0;
        case MemoryKind::WriteCombining:
            return 1;
        }
    }
};

static_assert(EptFormat::leaf({0x40000000}, 2, {all_rights}) == 0x400000b7);
static_assert(EptFormat::leaf({0x1000}, 0, {read_write, MemoryKind::Uncached}) == 0x1003);
static_assert(EptFormat::table({0x1000}, 1) == 0x1007);

} // namespace bulkhead
