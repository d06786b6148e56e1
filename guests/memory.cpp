// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include <array>

#include "guests/lib/devices.hpp"
#include "guests/lib/guest.hpp"
#include "guests/lib/layout.h"

// All RAM of the E820 map is there, is zero at first, keeps what is written and can be executed; what a PC has between
// and above is absent: reads give all ones, writes vanish.
namespace bulkhead::guest {

constexpr std::string_view name = GUEST_NAME;

extern "C" const u8 guest_end[];

namespace {

constexpr u64 boot_area_end = 2 * MiB; // firmware tables, boot_params, the boot loader's page tables
constexpr u64 mapped = 4 * GiB;        // by start.S

struct Range {
    u64 start, end;
};

bool is_own(u64 address) {
    return address < boot_area_end || (address >= GUEST_ADDRESS && address < reinterpret_cast<u64>(guest_end));
}

/// The first word in the range that is not zero, or its end.
u64 first_used(Range range) {
    u64 address = range.start;
    while (address < range.end && (is_own(address) || at<const u64>(address) == 0))
        address += 8;
    return address;
}

void check_ram(Range range) {
    check_equal(first_used(range), range.end, "RAM from ", Hex{range.start}, " on: the first word that is not zero");
    for (u64 address = range.start; address < range.end; address += 2 * MiB)
        if (!is_own(address))
            at<u64>(address) = ~address;
    bool kept = true;
    for (u64 address = range.start; address < range.end; address += 2 * MiB) {
        if (is_own(address))
            continue;
        kept = kept && at<const u64>(address) == ~address;
        at<u64>(address) = 0;
    }
    at<u64>(range.end - 8) = 0x1122334455667788;
    check(kept && at<const u64>(range.end - 8) == 0x1122334455667788, "RAM from ", Hex{range.start},
          " on keeps what is written");
}

/// In the last page of the range, which no code was in before: a function that returns.
void execute_in(Range range) {
    constexpr u8 ret = 0xc3;
    at<u8>(range.end - 1) = ret;
    asm volatile("call *%0" : : "r"(range.end - 1) : "memory");
    print(name, ": executed at ", Hex{range.end - 1});
}

void check_absent(u64 address) {
    at<u32>(address) = 0;
    check_equal(at<const u8>(address), 0xff, "8 bits at ", Hex{address});
    check_equal(at<const u16>(address), 0xffff, "16 bits at ", Hex{address});
    check_equal(at<const u32>(address), 0xffffffff, "32 bits at ", Hex{address});
    check_equal(at<const u64>(address), ~u64{0}, "64 bits at ", Hex{address});
}

} // namespace

void run() {
    u64 total = 0;
    u64 end = 0;
    for (unsigned i = 0; i < memory_range_count(); ++i) {
        const MemoryRange range = memory_range(i);
        print(name, ": ", Hex{range.address, 10}, " ", Size{range.size}, range.type == 1 ? " usable" : " reserved");
        check(range.address >= end, "the map is in order");
        end = range.address + range.size;
        if (range.type != 1)
            continue;
        total += range.size;
        check(end <= 0xa0000 || range.address >= 0x100000, "no RAM from 640 KiB to 1 MiB");
        check(end <= mapped, "this test sees 4 GiB only");
        if (end <= mapped) {
            check_ram({range.address, end});
            execute_in({range.address, end});
        }
    }
    print(name, ": ", Size{total}, " usable");
    check(total >= 16 * MiB, "there is RAM");
    // VGA memory, over the end of a page, its last word, option ROMs; TPM, HPET, the local APIC's page in x2APIC mode
    for (const u64 address : {0xa0000ul, 0xb8000ul, 0xb8ffeul, 0xb8ffful, 0xbfff8ul, 0xc0000ul, 0xdfff8ul, 0xfed40000ul,
                              0xfed00000ul, 0xfee00000ul, 0xfee00020ul, 0xfecff000ul})
        check_absent(address);
    check_equal(io_apic_read(io_apic_version) & 0xff, 0x20, "the I/O APIC");
}

} // namespace bulkhead::guest
