// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include <array>

#include "guests/attack/attack.hpp"
#include "guests/attack/msr_table.hpp"

// Every model-specific register that a CPU can have is read, and written with what nobody would write: it is the
// guest's own, or #GP, as msr_table.hpp says. What a write does to the guest itself is undone.
namespace bulkhead::guest {

constexpr std::string_view name = GUEST_NAME;

namespace {

using namespace attack;

struct Range {
    u32 first, last;
};
// What permission maps cover, what they do not, hypervisors' own numbers and the ends.
constexpr std::array<Range, 9> ranges{{{0, 0x1fff},
                                       {0x2000, 0x203f},
                                       {0x40000000, 0x400001ff},
                                       {0x4b564d00, 0x4b564d1f},
                                       {0x80000000, 0x8000000f},
                                       {0xbffffff0, 0xc0001fff},
                                       {0xc0002000, 0xc000200f},
                                       {0xc0010000, 0xc0011fff},
                                       {0xfffffff0, 0xffffffff}}};

constexpr u32 msr_tsc = 0x10, msr_kvm_first = 0x4b564d00, msr_kvm_last = 0x4b564d01;
constexpr u64 non_canonical = 0x8000'0000'0000, kernel_hole = 0xffff'7fff'ffff'ffff;

void restore_apic_mode(u64 base) {
    if (rdmsr(msr_apic_base) == base)
        return;
    attempt([] { wrmsr(msr_apic_base, 0xfee00000 | apic_base_en); });
    attempt([=] { wrmsr(msr_apic_base, base); });
    enable_apic();
}

u64 readable, writable;

/// Whether it was taken.
bool write(Group& group, u32 number, const MsrRow* row, u64 value, u64 before) {
    const Frame frame = group.attempt(
        end_of_write(number, row, value, before), [=] { wrmsr(number, value); }, Hex{number}, " = ", Hex{value},
        ", which was ", Hex{before});
    if (number == msr_apic_base)
        restore_apic_mode(before);
    else if (row != nullptr && row->can_be_read && number != msr_tsc)
        attempt([=] { wrmsr(number, before); });
    return frame.vector == returned;
}

/// Those that can be read get each bit flipped as well.
void try_msr(Group& group, u32 number) {
    const MsrRow* const row = find_msr(number);
    const bool can_be_read = row != nullptr && row->can_be_read;
    u64 before = 0;
    group.attempt(can_be_read ? ignored : refused, [&] { before = rdmsr(number); }, Hex{number}, " read");
    bool taken = false;
    for (const u64 value : {u64{0}, ~u64{0}, non_canonical, kernel_hole})
        if (can_be_read || value + 1 <= 1) // one that cannot be read gets 0 and ones
            taken = write(group, number, row, value, before) || taken;
    const bool takes_address = number >= msr_kvm_first && number <= msr_kvm_last; // into which the clock is written
    for (unsigned bit = takes_address ? 32 : 0; can_be_read && bit < 64; ++bit)
        taken = write(group, number, row, before ^ u64{1} << bit, before) || taken;
    readable += can_be_read ? 1 : 0;
    writable += taken ? 1 : 0;
}

} // namespace

void run() {
    Group group("msr");
    enable_apic();
    set_handler(nmi, [](Frame&) {}); // one of the ICR's bits
    for (const Range& range : ranges)
        for (u64 number = range.first; number <= range.last; ++number)
            try_msr(group, static_cast<u32>(number));
    stop_timer();
    print("attack: msr: ", readable, " can be read, ", writable, " take a write");
}

} // namespace bulkhead::guest
