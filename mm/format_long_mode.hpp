// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#pragma once

#include "base/bit_field.hpp"
#include "mm/address.hpp"
#include "mm/attributes.hpp"

namespace bulkhead {

/// IA32_PAT of the hypervisor, which every CPU loads: WB, WC, UC-, UC, and the same again, so that the PAT bit of an
/// entry (which moves with the page size) means nothing and stays 0. SDM 3A 13.12.2
inline constexpr u64 host_pat = 0x0007'0106'0007'0106;

/// What host tables and AMD's nested tables have in common. SDM 3A 4.5.4, APM 2 5.3.3. EFER.NXE is set.
/// A and D are set from the start: hardware then never writes to a table. G is never set: a CR3 load flushes
/// everything.
template <class InputAddress, bool UserPages, bool SignExtended> struct LongModeFormat {
    using Input = InputAddress;
    static constexpr bool sign_extended = SignExtended;

    using P = BitField<0>;
    using RW = BitField<1>;
    using US = BitField<2>;
    using PWT = BitField<3>;
    using PCD = BitField<4>;
    using A = BitField<5>;
    using D = BitField<6>;
    using PS = BitField<7>; // PAT at level 0
    using Frame = BitField<51, 12>;
    using NX = BitField<63>;

    static constexpr bool can_grant(Rights rights) { return rights.read; }
    static constexpr bool is_present(u64 entry) { return P::in(entry) != 0; }
    static constexpr bool is_leaf(u64 entry, unsigned level) { return level == 0 || PS::in(entry) != 0; }
    static constexpr HostPhysical address(u64 entry) { return {entry & Frame::mask}; }
    static constexpr Attributes attributes(u64 entry) {
        return {.rights = {.read = true, .write = RW::in(entry) != 0, .execute = NX::in(entry) == 0},
                .kind = PCD::in(entry) != 0   ? MemoryKind::Uncached
                        : PWT::in(entry) != 0 ? MemoryKind::WriteCombining
                                              : MemoryKind::WriteBack};
    }
    static constexpr u64 table(HostPhysical frame, unsigned /*level*/) {
        return P::mask | RW::mask | US::of(UserPages) | A::mask | (frame.value & Frame::mask);
    }
    static constexpr u64 leaf(HostPhysical frame, unsigned level, Attributes attributes) {
        const auto [rights, kind] = attributes;
        return P::mask | RW::of(rights.write) | US::of(UserPages) | PWT::of(kind != MemoryKind::WriteBack) |
               PCD::of(kind == MemoryKind::Uncached) | A::mask | D::of(rights.write) | PS::of(level > 0) |
               (frame.value & Frame::mask) | NX::of(!rights.execute);
    }
};

} // namespace bulkhead
