// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>

#include "core/guest_page_walk.hpp"
#include "core/instruction_fetch.hpp"
#include "unit/core/guest_ram.hpp"

using namespace bulkhead;
using test::GuestRam;

namespace {

constexpr u64 root = 0x10'0000;
constexpr u64 level3 = 0x10'1000;
constexpr u64 level2 = 0x10'2000;
constexpr u64 level1 = 0x10'3000;
constexpr u64 level4 = 0x10'4000;

constexpr u64 cr0_pe = 1;
constexpr u64 cr0_wp = 1 << 16;
constexpr u64 cr0_pg = u64{1} << 31;
constexpr u64 cr4_pse = 1 << 4;
constexpr u64 cr4_pae = 1 << 5;
constexpr u64 cr4_la57 = 1 << 12;
constexpr u64 cr4_smep = 1 << 20;
constexpr u64 cr4_smap = 1 << 21;
constexpr u64 efer_lma = 1 << 10;
constexpr u64 efer_nxe = 1 << 11;

constexpr u64 P = 1, W = 2, U = 4, PS = 0x80, NX = u64{1} << 63;

constexpr PagingState four_level{cr0_pe | cr0_wp | cr0_pg, root, cr4_pae, efer_lma | efer_nxe, 0, 0};
constexpr u64 linear = 0xffff'8123'4567'8abc;

constexpr u64 index(u64 address, unsigned level) { return address >> (12 + 9 * (level - 1)) & 0x1ff; }

/// Four-level tables that map the page of `linear` to `page`.
void map_four_level(GuestRam& ram, u64 page, u64 flags = P | W) {
    ram.put<u64>(root + 8 * index(linear, 4), level3 | P | W | U);
    ram.put<u64>(level3 + 8 * index(linear, 3), level2 | P | W | U);
    ram.put<u64>(level2 + 8 * index(linear, 2), level1 | P | W | U);
    ram.put<u64>(level1 + 8 * index(linear, 1), page | flags);
}

u64 pte_address() { return level1 + 8 * index(linear, 1); }

/// The error code of the page fault, or -1 if the access is allowed.
int fault_of(const GuestRam& ram, const PagingState& paging, Access access) {
    const auto result = translate(ram.memory(), paging, linear, access);
    if (result)
        return -1;
    REQUIRE(result.error().kind == GuestFault::Kind::page_fault);
    CHECK(result.error().address == linear);
    return static_cast<int>(result.error().error_code);
}

} // namespace

TEST_CASE("guest memory: only RAM is reachable, to the byte") {
    const GuestRam ram(true);
    const GuestMemory memory = ram.memory();
    CHECK(memory.contains({0}, 0xA0000));
    CHECK_FALSE(memory.contains({0}, 0xA0001));
    CHECK_FALSE(memory.contains({0xA0000}));
    CHECK_FALSE(memory.contains({0xDFFFF}));
    CHECK_FALSE(memory.contains({0x9ffff}, 2));
    CHECK(memory.contains({0xE0000}, GuestRam::low_end - 0xE0000));
    CHECK(memory.contains({MiB}, GuestRam::low_end - MiB));
    CHECK_FALSE(memory.contains({GuestRam::low_end - 7}, 8));
    CHECK_FALSE(memory.contains({GuestRam::low_end}));
    CHECK_FALSE(memory.contains({4 * GiB - 1}, 2));
    CHECK(memory.contains({4 * GiB}, MiB));
    CHECK_FALSE(memory.contains({4 * GiB + MiB - 1}, 2));
    CHECK_FALSE(memory.contains({MiB}, ~u64{0}));
    CHECK_FALSE(memory.contains({~u64{0}}, 2));
    CHECK_FALSE(memory.contains({~u64{0} - 7}, 8));
    CHECK_FALSE(GuestRam().memory().contains({4 * GiB}));

    CHECK_FALSE(memory.read<u64>({GuestRam::low_end - 4}));
    CHECK(memory.write<u32>({0x1001}, 0x12345678));
    CHECK(memory.read<u16>({0x1002}) == 0x3456);
    CHECK_FALSE(memory.write<u32>({0x9ffff}, 0));
    CHECK(memory.ram({0x9ffff}, 2).empty());
    u8 bytes[4];
    CHECK(memory.copy_out({0x1001}, bytes));
    CHECK(bytes[3] == 0x12);
    CHECK_FALSE(memory.copy_out({0xDFFFE}, bytes));
}

TEST_CASE("page walk: the mode follows from the control registers") {
    CHECK(paging_mode({.cr0 = cr0_pe}) == PagingMode::none);
    CHECK(paging_mode({.cr0 = cr0_pe, .cr4 = cr4_pae, .efer = efer_lma}) == PagingMode::none);
    CHECK(paging_mode({.cr0 = cr0_pg}) == PagingMode::two_level);
    CHECK(paging_mode({.cr0 = cr0_pg, .cr4 = cr4_pae}) == PagingMode::pae);
    CHECK(paging_mode({.cr0 = cr0_pg, .cr4 = cr4_pae, .efer = efer_lma}) == PagingMode::four_level);
    CHECK(paging_mode({.cr0 = cr0_pg, .cr4 = cr4_pae | cr4_la57, .efer = efer_lma}) == PagingMode::five_level);
}

TEST_CASE("page walk: without paging, linear addresses are physical ones of 32 bits") {
    const GuestRam ram;
    const auto result = translate(ram.memory(), {}, 0xffff'ffff'0001'2345, {});
    REQUIRE(result);
    CHECK(result->address.value == 0x12345);
    CHECK(result->remaining == 0xcbb);
}

TEST_CASE("page walk: four levels, all page sizes") {
    GuestRam ram;
    map_four_level(ram, 0x20'0000);
    auto result = translate(ram.memory(), four_level, linear, {});
    REQUIRE(result);
    CHECK(result->address.value == 0x20'0abc);
    CHECK(result->remaining == 0x544);

    ram.put<u64>(level2 + 8 * index(linear, 2), 0x20'0000 | P | W | PS | 1 << 12); // PAT is bit 12
    result = translate(ram.memory(), four_level, linear, {});
    REQUIRE(result);
    CHECK(result->address.value == 0x20'0000 + (linear & 0x1f'ffff));
    CHECK(result->remaining == 2 * MiB - (linear & 0x1f'ffff));

    ram.put<u64>(level3 + 8 * index(linear, 3), 0x1'c000'0000 | P | W | PS);
    result = translate(ram.memory(), four_level, linear, {});
    REQUIRE(result);
    CHECK(result->address.value == 0x1'c000'0000 + (linear & 0x3fff'ffff));
    CHECK(result->remaining == GiB - (linear & 0x3fff'ffff));
}

TEST_CASE("page walk: five levels") {
    GuestRam ram;
    map_four_level(ram, 0x20'0000);
    PagingState paging = four_level;
    paging.cr3 = level4;
    paging.cr4 |= cr4_la57;
    ram.put<u64>(level4 + 8 * 0x1ff, root | P);
    CHECK(translate(ram.memory(), paging, linear, {})->address.value == 0x20'0abc);
    const auto beyond = translate(ram.memory(), paging, linear ^ u64{1} << 57, {});
    REQUIRE_FALSE(beyond);
    CHECK(beyond.error().kind == GuestFault::Kind::general_protection);
    const auto not_mapped = translate(ram.memory(), paging, linear ^ u64{1} << 50, {});
    REQUIRE_FALSE(not_mapped);
    CHECK(not_mapped.error().kind == GuestFault::Kind::page_fault);
}

TEST_CASE("page walk: a non-canonical address is a general protection fault") {
    GuestRam ram;
    map_four_level(ram, 0x20'0000);
    const auto result = translate(ram.memory(), four_level, linear & 0x0000'ffff'ffff'ffff, {});
    REQUIRE_FALSE(result);
    CHECK(result.error().kind == GuestFault::Kind::general_protection);
}

TEST_CASE("page walk: PAE") {
    GuestRam ram;
    constexpr u32 address = 0xc123'4567;
    const PagingState paging{cr0_pg, root | 0x20, cr4_pae, efer_nxe, 0, 0};
    ram.put<u64>(root + 0x20 + 8 * 3, level2 | P);
    ram.put<u64>(level2 + 8 * index(address, 2) % 4096, level1 | P | W);
    ram.put<u64>(level1 + 8 * index(address, 1), 0x30'0000 | P | W);
    const auto result = translate(ram.memory(), paging, address | u64{1} << 40, {.write = true});
    REQUIRE(result);
    CHECK(result->address.value == 0x30'0567);

    ram.put<u64>(level2 + 8 * index(address, 2), 0x1'2340'0000 | P | W | PS);
    CHECK(translate(ram.memory(), paging, address, {})->address.value == 0x1'2340'0000 + (address & 0x1f'ffff));

    constexpr u64 accessed = 0x20;
    ram.put<u64>(root + 0x20 + 8 * 3, level2 | P | accessed); // as QEMU's CPU leaves it
    CHECK(translate(ram.memory(), paging, address, {}));

    ram.put<u64>(root + 0x20 + 8 * 3, level2 | P | W); // reserved in a PDPTE
    const auto reserved = translate(ram.memory(), paging, address, {});
    REQUIRE_FALSE(reserved);
    CHECK(reserved.error().error_code == 0b01001);
}

TEST_CASE("page walk: two levels, with 4 MiB pages above 4 GiB") {
    GuestRam ram;
    constexpr u32 address = 0xc123'4567;
    PagingState paging{cr0_pg, root, 0, efer_nxe, 0, 0};
    ram.put<u32>(root + 4 * (address >> 22), level1 | P | W);
    ram.put<u32>(level1 + 4 * (address >> 12 & 0x3ff), 0x30'0000 | P | W);
    CHECK(translate(ram.memory(), paging, address, {})->address.value == 0x30'0567);

    ram.put<u32>(root + 4 * (address >> 22), 0x0080'0000 | 0x12 << 13 | P | W | PS);
    paging.cr4 = cr4_pse;
    const auto result = translate(ram.memory(), paging, address, {});
    REQUIRE(result);
    CHECK(result->address.value == 0x12'0080'0000 + (address & 0x3f'ffff));
    CHECK(result->remaining == 4 * MiB - (address & 0x3f'ffff));

    ram.put<u32>(root + 4 * (address >> 22), 0x0080'0000 | 1 << 21 | P | W | PS);
    const auto reserved = translate(ram.memory(), paging, address, {.fetch = true});
    REQUIRE_FALSE(reserved);
    CHECK(reserved.error().error_code == 0b01001); // the fetch bit needs SMEP, or NXE with PAE

    ram.put<u32>(root + 4 * (address >> 22), level1 | P | W | PS); // without CR4.PSE the bit is ignored
    paging.cr4 = 0;
    CHECK(translate(ram.memory(), paging, address, {})->address.value == 0x30'0567);
}

TEST_CASE("page walk: permissions and error codes are those of the CPU") {
    GuestRam ram;
    constexpr Access read{}, write{.write = true}, fetch{.fetch = true};
    PagingState user = four_level;
    user.cpl = 3;
    PagingState smep = four_level;
    smep.cr4 |= cr4_smep | cr4_smap;
    PagingState smap_suspended = smep;
    smap_suspended.rflags = 1 << 18;
    PagingState no_wp = four_level;
    no_wp.cr0 &= ~cr0_wp;
    PagingState no_nxe = four_level;
    no_nxe.efer &= ~efer_nxe;

    SECTION("not present") {
        map_four_level(ram, 0x20'0000, 0);
        CHECK(fault_of(ram, four_level, read) == 0);
        CHECK(fault_of(ram, user, write) == 0b00110);
        CHECK(fault_of(ram, user, fetch) == 0b10100);
        CHECK(fault_of(ram, no_nxe, fetch) == 0);
    }
    SECTION("a supervisor's page") {
        map_four_level(ram, 0x20'0000, P | W);
        CHECK(fault_of(ram, four_level, write) == -1);
        CHECK(fault_of(ram, smep, write) == -1);
        CHECK(fault_of(ram, smep, fetch) == -1);
        CHECK(fault_of(ram, user, read) == 0b00101);
        CHECK(fault_of(ram, user, write) == 0b00111);
        CHECK(fault_of(ram, user, fetch) == 0b10101);
    }
    SECTION("a user's page") {
        map_four_level(ram, 0x20'0000, P | W | U);
        CHECK(fault_of(ram, user, write) == -1);
        CHECK(fault_of(ram, user, fetch) == -1);
        CHECK(fault_of(ram, four_level, write) == -1);
        CHECK(fault_of(ram, smep, read) == 0b00001);
        CHECK(fault_of(ram, smep, write) == 0b00011);
        CHECK(fault_of(ram, smep, fetch) == 0b10001);
        CHECK(fault_of(ram, smap_suspended, write) == -1);
        CHECK(fault_of(ram, smap_suspended, fetch) == 0b10001);
    }
    SECTION("read-only at any level") {
        map_four_level(ram, 0x20'0000, P | W | U);
        ram.put<u64>(level3 + 8 * index(linear, 3), level2 | P | U);
        CHECK(fault_of(ram, user, read) == -1);
        CHECK(fault_of(ram, user, write) == 0b00111);
        CHECK(fault_of(ram, four_level, write) == 0b00011);
        CHECK(fault_of(ram, no_wp, write) == -1);
    }
    SECTION("no-execute at any level") {
        map_four_level(ram, 0x20'0000, P | W);
        ram.put<u64>(level2 + 8 * index(linear, 2), level1 | P | W | NX);
        CHECK(fault_of(ram, four_level, read) == -1);
        CHECK(fault_of(ram, four_level, fetch) == 0b10001);
        CHECK(fault_of(ram, no_nxe, read) == 0b01001);
    }
    SECTION("reserved bits") {
        map_four_level(ram, 0x20'0000, P | W);
        ram.put<u64>(level2 + 8 * index(linear, 2), 0x20'0000 | 1 << 13 | P | W | PS);
        CHECK(fault_of(ram, four_level, read) == 0b01001);
        ram.put<u64>(root + 8 * index(linear, 4), level3 | P | W | PS);
        CHECK(fault_of(ram, four_level, write) == 0b01011);
    }
}

TEST_CASE("page walk: tables outside of RAM are reported, never read") {
    GuestRam ram;
    const u64 bad = GENERATE(u64{0xA0000}, u64{0xDF000}, u64{GuestRam::low_end}, u64{0x8000'0000}, 4 * GiB,
                             u64{0xf'ffff'ffff'f000});
    PagingState paging = four_level;
    SECTION("CR3") { paging.cr3 = bad; }
    SECTION("top entry") {
        map_four_level(ram, 0x20'0000);
        ram.put<u64>(root + 8 * index(linear, 4), bad | P);
    }
    SECTION("last table") {
        map_four_level(ram, 0x20'0000);
        ram.put<u64>(level2 + 8 * index(linear, 2), bad | P);
    }
    const auto result = translate(ram.memory(), paging, linear, {});
    REQUIRE_FALSE(result);
    CHECK(result.error().kind == GuestFault::Kind::not_ram);
    CHECK(result.error().address == bad);
    CHECK(instruction_length_fast(ram.memory(), paging.cr3, linear, intercepted_cpuid) == 0);
}

TEST_CASE("fetch: the fast path finds usual encodings and leaves the rest alone") {
    GuestRam ram;
    map_four_level(ram, 0x20'0000);
    const auto length = [&](u64 rip, const InterceptedInstruction& expected) {
        return instruction_length_fast(ram.memory(), root, rip, expected);
    };
    const auto place = [&](u64 offset, std::initializer_list<u8> bytes) {
        ram.put_bytes(offset, std::span(bytes.begin(), bytes.size()));
    };
    place(0x20'0abc, {0x0f, 0xa2, 0x90, 0x90});
    CHECK(length(linear, intercepted_cpuid) == 2);
    CHECK(length(linear, intercepted_rdmsr) == 0);
    place(0x20'0abc, {0x0f, 0x01, 0xd9, 0x90});
    CHECK(length(linear, intercepted_vmmcall) == 3);
    place(0x20'0abc, {0xf4, 0x01, 0xd9, 0x90});
    CHECK(length(linear, intercepted_hlt) == 1);
    place(0x20'0abc, {0x66, 0x0f, 0xa2, 0x90});
    CHECK(length(linear, intercepted_cpuid) == 0);
    place(0x20'0ffc, {0x0f, 0xa2, 0x90, 0x90});
    CHECK(length((linear & ~u64{0xfff}) + 0xffc, intercepted_cpuid) == 2);
    place(0x20'0ffd, {0x0f, 0xa2, 0x90});
    CHECK(length((linear & ~u64{0xfff}) + 0xffd, intercepted_cpuid) == 0); // might cross the page

    ram.put<u64>(level2 + 8 * index(linear, 2), 0x20'0000 | P | PS);
    place(0x20'0000 + (linear & 0x1f'ffff), {0x0f, 0x30, 0x90, 0x90});
    CHECK(length(linear, intercepted_wrmsr) == 2);
    ram.put<u64>(level2 + 8 * index(linear, 2), GuestRam::low_end | P | PS);
    CHECK(length(linear, intercepted_wrmsr) == 0);
    ram.put<u64>(level2 + 8 * index(linear, 2), PS);
    CHECK(length(linear, intercepted_wrmsr) == 0);
}

TEST_CASE("fetch: an instruction over a page boundary") {
    GuestRam ram;
    const u64 rip = (linear & ~u64{0xfff}) + 0xffe;
    const CodeLocation code{.rip = rip};
    map_four_level(ram, 0x20'0000);
    ram.put_bytes(0x20'0ffe, std::array<u8, 2>{0x66, 0x0f});
    ram.put<u8>(0x30'0000, 0xa2);

    SECTION("whose second page is mapped elsewhere") {
        ram.put<u64>(pte_address() + 8, 0x30'0000 | P);
        const FetchedCode fetched = fetch_instruction(ram.memory(), four_level, code, 3);
        CHECK(fetched.size == 3);
        CHECK_FALSE(fetched.fault);
        CHECK(fetched.bytes[2] == 0xa2);
        CHECK(instruction_length(ram.memory(), four_level, code, Operation::CPUID) == 3);
        CHECK(instruction_length(ram.memory(), four_level, code, Operation::RDMSR) == 0);
    }
    SECTION("whose second page is not there") {
        const FetchedCode fetched = fetch_instruction(ram.memory(), four_level, code);
        CHECK(fetched.size == 2);
        REQUIRE(fetched.fault);
        CHECK(fetched.fault->kind == GuestFault::Kind::page_fault);
        CHECK(fetched.fault->address == rip + 2);
        CHECK(fetched.fault->error_code == 0b10000);
        CHECK(instruction_length(ram.memory(), four_level, code, Operation::CPUID) == 0);
        ram.put_bytes(0x20'0ffe, std::array<u8, 2>{0x0f, 0xa2}); // complete on the first page
        CHECK(instruction_length(ram.memory(), four_level, code, Operation::CPUID) == 2);
    }
    SECTION("whose second page is not RAM") {
        ram.put<u64>(pte_address() + 8, 0x8000'0000 | P);
        const auto length = instruction_length(ram.memory(), four_level, code, Operation::CPUID);
        REQUIRE_FALSE(length);
        CHECK(length.error().value == 0x8000'0000);
    }
}

TEST_CASE("fetch: the short way takes what is on one page for sure") {
    GuestRam ram;
    const u64 page = linear & ~u64{0xfff};
    map_four_level(ram, 0x20'0000);
    ram.put<u8>(0x20'0fff, 0xa2);
    const FetchedCode last = fetch_instruction_fast(ram.memory(), four_level.cr3, page + 0xff1);
    CHECK(last.size == longest_instruction);
    CHECK(last.bytes[longest_instruction - 1] == 0xa2);
    CHECK(fetch_instruction_fast(ram.memory(), four_level.cr3, page + 0xff2).size == 0);
}

TEST_CASE("fetch: real mode adds the segment's base") {
    GuestRam ram;
    ram.put_bytes(0x1'2345, std::array<u8, 3>{0x0f, 0xa2, 0x90});
    const CodeLocation code{.rip = 0x2345, .cs_base = 0x1'0000, .mode = CpuMode::bits16};
    CHECK(instruction_length(ram.memory(), {}, code, Operation::CPUID) == 2);
    ram.put<u8>(0x1'2345, 0x06); // not an instruction of ours
    CHECK(instruction_length(ram.memory(), {}, code, Operation::CPUID) == 0);
}
