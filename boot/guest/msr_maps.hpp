// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// The hardware's maps of what MSRs a vCPU reaches without an exit: core/msr_policy.hpp in the vendors' formats.
#pragma once

#include <span>

#include "core/msr_policy.hpp"

namespace bulkhead {

/// What the rows of map number `map` depend on, where `conditions` hold: see msr_map_of().
constexpr MsrConditions conditions_of_map(u32 map, MsrConditions conditions) {
    if (map % 2 != 0)
        conditions = conditions.without(MsrNeeds::TscDeadline);
    if (map >= msr_map_of(ApicExits::Counts, false))
        conditions = conditions.without(MsrNeeds::DirectCounts);
    if (map >= msr_map_of(ApicExits::Eoi, false))
        conditions = conditions.without(MsrNeeds::DirectEoi);
    return map >= msr_map_of(ApicExits::All, false) ? conditions.without(MsrNeeds::X2apic) : conditions;
}

namespace msr_map {

/// Where the map of a vendor has an MSR.
struct Position {
    bool covered = false; ///< false: the hardware exits always
    u32 read_bit = 0;
    u32 write_bit = 0;
};

constexpr Position svm_position(u32 number) {
    constexpr u32 bases[] = {0, 0xc000'0000, 0xc001'0000};
    for (u32 range = 0; range < 3; ++range) {
        if (number - bases[range] < 0x2000) {
            const u32 bit = 2 * (range * 0x2000 + number - bases[range]);
            return {true, bit, bit + 1};
        }
    }
    return {};
}

constexpr Position vmx_position(u32 number) {
    constexpr u32 write_half = 2048 * 8;
    if (number < 0x2000)
        return {true, number, write_half + number};
    if (const u32 index = number - 0xc000'0000; index < 0x2000)
        return {true, 0x2000 + index, write_half + 0x2000 + index};
    return {};
}

constexpr bool is_direct(const MsrRow& row) { return row.read == MsrRead::Direct || row.write == MsrWrite::Direct; }

constexpr void encode(std::span<u8> map, Position (*position)(u32), MsrConditions conditions) {
    for (u8& byte : map)
        byte = 0xff;
    const auto clear = [map](u32 bit) { map[bit / 8] = static_cast<u8>(map[bit / 8] & ~(1u << bit % 8)); };
    for (const MsrRow& row : msr_policy) {
        if (!is_direct(row) || !conditions.has(row.needs))
            continue;
        for (u32 number = row.first; number <= row.last; ++number) {
            const Position at = position(number);
            if (row.read == MsrRead::Direct)
                clear(at.read_bit);
            if (row.write == MsrWrite::Direct)
                clear(at.write_bit);
        }
    }
}

consteval bool direct_rows_covered(Position (*position)(u32)) {
    for (const MsrRow& row : msr_policy) {
        if (is_direct(row) && !(position(row.first).covered && position(row.last).covered))
            return false;
    }
    return true;
}
static_assert(direct_rows_covered(svm_position), "MSR policy: a direct MSR is outside of SVM's permission map");
static_assert(direct_rows_covered(vmx_position), "MSR policy: a direct MSR is outside of VMX's bitmaps");

} // namespace msr_map

constexpr void encode_svm_msr_map(SvmMsrMap& map, MsrConditions conditions) {
    msr_map::encode(map, msr_map::svm_position, conditions);
}
constexpr void encode_vmx_msr_bitmap(VmxMsrBitmap& bitmap, MsrConditions conditions) {
    msr_map::encode(bitmap, msr_map::vmx_position, conditions);
}

} // namespace bulkhead
