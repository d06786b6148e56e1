// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include <array>
#include <span>

#include "guests/attack/attack.hpp"
#include "guests/attack/windows.hpp"
#include "guests/lib/layout.h"

// Memory that is not the guest's. Where every PC has devices, there are none: reads give ones, writes vanish. All else
// stops the guest, as does fetching code from a device.
namespace bulkhead::guest {

constexpr std::string_view name = GUEST_NAME;

extern "C" u64 gdt[];

namespace {

using namespace attack;

/// Not the guest's: the end of RAM is where this machine has the hypervisor's memory or another guest's, as have all
/// others in some boot; then host bridges, ECAM, frame buffers, the end of the hole, and above 4 GiB to the last page.
struct Foreign {
    std::array<u64, 14> addresses;
    Foreign() {
        const u64 end = end_of_ram(), top = u64{1} << address_bits();
        addresses = {end,        end + 2 * MiB, 256 * MiB,   1 * GiB,     2 * GiB, 0xbffff000,    0xc0000000,
                     0xe0000000, 0xfebff000,    0x100000000, 0x240000000, top / 2, top - 1 * GiB, top - 4 * KiB};
    }
};

enum class Access : u64 { read, write, execute };
constexpr std::string_view access_names[] = {"read", "write", "execute"};

void do_access(Access access, u64 address) {
    switch (access) {
    case Access::read:
        return touch<u64>(address);
    case Access::write:
        at<u64>(address) = 0xbad;
        return;
    case Access::execute:
        asm volatile("call *%0" : : "r"(address) : "memory");
        return;
    }
}

template <typename T> void read_and_write(Group& group, u64 seen, u64 physical, PageSize size) {
    const Frame write = attempt([=] { at<T>(seen) = T{0}; });
    group.judge(write, ignored, "write ", u64{sizeof(T)}, " at ", Hex{physical}, ", ", name_of(size));
    T value = 0;
    const Frame read = attempt([&] { value = at<const T>(seen); });
    group.expect(read.vector == returned && value == static_cast<T>(~T{0}), "read ", u64{sizeof(T)}, " at ",
                 Hex{physical}, ", ", name_of(size), ": vector ", read.vector, " value ", Hex{u64{value}});
}

/// What is done to the window, and what comes of it at an absent device.
void try_absent(Group& group, u64 physical, PageSize size) {
    const u64 seen = show(physical, size);
    read_and_write<u8>(group, seen, physical, size);
    read_and_write<u16>(group, seen, physical, size);
    read_and_write<u32>(group, seen, physical, size);
    read_and_write<u64>(group, seen, physical, size);
    const auto rest = [&](std::string_view what, auto function) {
        group.attempt(ignored, function, what, " at ", Hex{physical}, ", ", name_of(size));
    };
    rest("PREFETCH", [=] { asm volatile("prefetcht0 (%0); prefetchw (%0)" : : "r"(seen)); });
    rest("INVLPG", [=] { asm volatile("invlpg (%0)" : : "r"(seen)); });
    rest("XCHG", [=] { asm volatile("xchgl %%eax, (%0)" : : "r"(seen) : "eax", "memory"); });
    rest("LOCK OR", [=] { asm volatile("lock orl $1, (%0)" : : "r"(seen) : "memory"); });
    rest("REP STOSB", [=] {
        u64 to = seen, count = 8;
        asm volatile("rep stosb" : "+D"(to), "+c"(count) : "a"(0) : "memory");
    });
}

/// Page tables with bits that no CPU lets pass, and an address beyond the last one.
void try_reserved(Group& group) {
    for (const PageSize size : page_sizes) {
        if (size == PageSize::huge && !has_huge_pages())
            continue;
        for (unsigned bit = address_bits(); bit < 52; ++bit) {
            const u64 seen = show(u64{1} << bit, size);
            group.attempt(page_faulted, [=] { touch<u64>(seen); }, "reserved bit ", bit, " read, ", name_of(size));
            group.attempt(page_faulted, [=] { at<u64>(seen) = 0; }, "reserved bit ", bit, " written, ", name_of(size));
        }
    }
    for (unsigned bit = 47; bit < 64; ++bit)
        group.attempt(refused | page_faulted, [=] { touch<u64>(u64{1} << bit); }, "not canonical ", bit);
}

/// The tables themselves, or what the CPU reads by itself, in memory that is not there.
constexpr std::string_view structure_names[] = {"page map", "page directory", "page table", "CR3", "IDT",
                                                "GDT",      "task state",     "stack"};

struct [[gnu::packed]] TablePointer {
    u16 limit;
    u64 base;
};

/// From user mode an interrupt takes its stack from the task state.
void use_task_state(u64 base) {
    gdt[TASK_STATE / 8] = 0x67 | (base & 0xffffff) << 16 | u64{0x89} << 40 | (base >> 24 & 0xff) << 56;
    gdt[TASK_STATE / 8 + 1] = base >> 32;
    asm volatile("ltr %w0" : : "r"(TASK_STATE));
    run_code({0x90}, Mode::user64);
}

void use_structure(u64 index, u64 physical) {
    const u64 seen = show(physical, PageSize::small);
    const TablePointer pointer{0xfff, seen};
    switch (index) {
    case 0:
        page_map[window_slot] = physical | rights;
        break;
    case 1:
        tables.pointers[0] = physical | rights;
        break;
    case 2:
        tables.directory[0] = physical | rights;
        break;
    case 3:
        return write_cr3(physical);
    case 4:
        asm volatile("lidt %0; ud2" : : "m"(pointer));
        return;
    case 5:
        asm volatile("lgdt %0; movw $0x10, %%ax; movw %%ax, %%fs" : : "m"(pointer) : "eax");
        return;
    case 6:
        return use_task_state(seen);
    default:
        asm volatile("movq %0, %%rsp; pushq $0; ud2" : : "r"(seen + 2048));
        return;
    }
    flush();
    touch<u64>(seen);
}

/// Every attempt that stops the guest, by its number.
class Fatal {
public:
    [[nodiscard]] u64 count() const { return foreign_cases() + fetch_cases() + structure_cases; }
    void commit(u64 index) const {
        if (index < foreign_cases()) {
            const Access access{index % 3};
            const PageSize size = page_sizes[index / 3 % sizes_];
            const u64 address = foreign_.addresses[index / 3 / sizes_];
            print("attack: ", index, ": ", access_names[index % 3], " at ", Hex{address}, ", ", name_of(size));
            return do_access(access, show(address, size));
        }
        if (const u64 fetch = index - foreign_cases(); fetch < fetch_cases()) {
            const PageSize size = page_sizes[fetch % sizes_];
            const u64 address = fetched[fetch / sizes_];
            print("attack: ", index, ": execute at ", Hex{address}, ", ", name_of(size));
            return do_access(Access::execute, show(address, size));
        }
        const u64 structure = index - foreign_cases() - fetch_cases();
        const u64 address = structure % 2 == 0 ? foreign_.addresses[0] : hpet;
        print("attack: ", index, ": ", structure_names[structure / 2], " at ", Hex{address});
        use_structure(structure / 2, address);
    }

private:
    static constexpr u64 hpet = 0xfed00000;
    static constexpr auto fetched = std::to_array<u64>({0xa0000, 0xdfff0, 0xfec00000, hpet, 0xfee00000, 0xfffffff0});
    static constexpr u64 structure_cases = 2 * std::size(structure_names);
    [[nodiscard]] u64 foreign_cases() const { return foreign_.addresses.size() * sizes_ * 3; }
    [[nodiscard]] u64 fetch_cases() const { return fetched.size() * sizes_; }
    Foreign foreign_;
    u64 sizes_ = has_huge_pages() ? 3 : 2;
};

void try_what_is_survived() {
    Group group("memory");
    for (const u64 physical : absent)
        for (const PageSize size : page_sizes)
            if (size != PageSize::huge || has_huge_pages())
                try_absent(group, physical, size);
    try_reserved(group);
}

} // namespace

void run() {
    if (life() == 1)
        try_what_is_survived();
    const Fatal fatal;
    stop_by_each("memory that stops", fatal.count(), [&](u64 index) { fatal.commit(index); });
}

} // namespace bulkhead::guest
