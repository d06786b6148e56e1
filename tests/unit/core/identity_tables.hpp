// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#pragma once

#include "arch/x86_64/control_bits.hpp"
#include "unit/core/guest_ram.hpp"

namespace bulkhead::test {

/// Four-level tables in a guest's RAM under which linear addresses equal guest-physical ones: the RAM, and 2 MiB of
/// devices, in large pages. The 2 MiB behind the RAM are small pages, none of which is mapped.
struct IdentityTables {
    static constexpr u64 pml4 = 0x10'0000, pdpt = pml4 + 0x1000, pd = pml4 + 0x2000, pt = pml4 + 0x3000,
                         device_pd = pml4 + 0x4000, end = pml4 + 0x5000;
    static constexpr u64 small_pages = GuestRam::low_end;
    static constexpr u64 device = 0x9000'0000;

    explicit IdentityTables(GuestRam& ram) {
        ram.put<u64>(pml4, pdpt | 7);
        ram.put<u64>(pdpt, pd | 7);
        ram.put<u64>(pdpt + 8 * (device >> 30), device_pd | 7);
        ram.put<u64>(device_pd + 8 * (device >> 21 & 511), device | 0x87);
        ram.put<u64>(pd, 0x87);
        ram.put<u64>(pd + 8, large_page_size | 0x87);
        ram.put<u64>(pd + 16, pt | 7);
    }
};

} // namespace bulkhead::test
