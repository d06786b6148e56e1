// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "boot/guest/start.hpp"

#include <catch2/catch_test_macros.hpp>

#include <algorithm>
#include <string>

#include "mm/guest_memory_map.hpp"
#include "unit/boot/guest/small_kernel.hpp"

using namespace bulkhead;

namespace {

constexpr u64 ram = 32 * MiB;
const std::vector<MemoryChunk> memory{{{0}, {0x4000'0000}, ram}};

/// A guest, and what its memory is when the segments have been copied.
struct Started {
    KernelFormat format = KernelFormat::Auto;
    Bytes kernel = small_kernel();
    std::vector<GuestModule> modules{};
    Bytes initrd = Bytes(5000, 0xab);
    std::string cmdline = "console=ttyS0";
    u32 vcpus = 2;
    Bytes made;
    Bytes guest = Bytes(ram);
    Result<GuestStart> start;

    Result<GuestStart> make(u64 room) {
        made.assign(room, 0);
        return start = make_guest_start({.format = format,
                                         .kernel = kernel,
                                         .initrd = {initrd, "initrd"},
                                         .modules = modules,
                                         .cmdline = cmdline,
                                         .memory = memory,
                                         .vcpus = vcpus},
                                        made);
    }
    Result<GuestStart> make() { return make(made_for_guest_size(cmdline, vcpus)); }

    void copy() {
        Bytes touched(ram);
        const GuestMemoryMap map = GuestMemoryMap::create(memory).value();
        for (const auto& [to, bytes] : start->segments) {
            REQUIRE_FALSE(bytes.empty());
            REQUIRE(map.is_ram(to, bytes.size()));
            for (u64 i = 0; i < bytes.size(); ++i) {
                REQUIRE(touched[to.value + i] == 0);
                touched[to.value + i] = 1;
                guest[to.value + i] = bytes[i];
            }
        }
    }
};

} // namespace

TEST_CASE("Guest's start: every segment is in its RAM, none overlaps, and together they are what a loader leaves") {
    Started started;
    std::ranges::fill(std::span(started.kernel).subspan(1024), u8{0xcd});
    REQUIRE(started.make());
    CHECK(started.start->segments.size() == 5);
    started.copy();
    const Bytes& guest = started.guest;
    const u64 params = started.start->entry.rsi;
    CHECK(get(guest, params + 0x202, 4) == 0x53726448);
    CHECK(get(guest, params + 0x70, 8) == 0xe0000);
    CHECK(std::string(reinterpret_cast<const char*>(&guest[0xe0000]), 8) == "RSD PTR ");
    CHECK(std::string(reinterpret_cast<const char*>(&guest[get(guest, params + 0x228, 4)])) == "console=ttyS0");
    CHECK(get(guest, 0xffff0, 8) == 0xebf4'ee01'b006'02ba);
    const u64 kernel = get(guest, params + 0x214, 4);
    CHECK(started.start->entry.rip == kernel + 0x200);
    CHECK(std::ranges::count(std::span(guest).subspan(kernel, 8192), 0xcd) == 8192);
    CHECK(guest[kernel + 8192] == 0);
    const u64 initrd = get(guest, params + 0x218, 4);
    CHECK(get(guest, params + 0x21c, 4) == 5000);
    CHECK(std::ranges::count(std::span(guest).subspan(initrd, 5000), 0xab) == 5000);
}

TEST_CASE("Guest's start: without an initrd there is one segment less") {
    Started started;
    started.initrd.clear();
    REQUIRE(started.make());
    CHECK(started.start->segments.size() == 4);
    started.copy();
}

TEST_CASE("Guest's start: the longest command line and as many vCPUs as a machine can have") {
    Started started;
    started.vcpus = 1024;
    started.cmdline.assign(2047, 'x');
    REQUIRE(started.make());
    started.copy();
    CHECK(get(started.guest, 0x10000 + 2046, 2) == 'x');
}

TEST_CASE("Guest's start: what cannot be started says why") {
    Started started;
    started.kernel.assign(4096, 0x7f);
    REQUIRE_FALSE(started.make());
    CHECK(std::string_view(started.start.error().what) ==
          "the file is neither a bzImage nor an ELF file, and has no multiboot header: bytes");
    CHECK(started.start.error().value == 4096);
    started.format = KernelFormat::BzImage;
    REQUIRE_FALSE(started.make());
    CHECK(std::string_view(started.start.error().what) == "not a bzImage: no HdrS signature");
    CHECK(started.start.error().value == 0x7f7f'7f7f);
    started.format = KernelFormat::Auto;
    started.kernel = small_kernel();
    started.initrd.resize(ram);
    CHECK(started.make().error().value == ram);
    started.initrd.clear();
    started.vcpus = 0;
    CHECK_FALSE(started.make());
    started.vcpus = 17'000; // their tables would reach the reset vector
    CHECK(started.make().error().value == 17'000);
    started.vcpus = ~0u;
    CHECK(started.make().error().value == ~0u);
}

TEST_CASE("Guest's start: too little room for what is made is refused") {
    Started started;
    const u64 needed = made_for_guest_size(started.cmdline, started.vcpus);
    CHECK(started.make(needed));
    CHECK(started.make(needed - 1).error().value == needed);
    CHECK_FALSE(started.make(0));
}
