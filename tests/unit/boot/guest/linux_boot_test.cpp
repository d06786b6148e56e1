// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "boot/guest/linux_boot.hpp"

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>

#include <algorithm>
#include <fstream>
#include <string>
#include <vector>

#include "unit/boot/guest/small_kernel.hpp"

using namespace bulkhead;

namespace {

constexpr HostPhysical somewhere{0x1'0000'0000};
std::vector<MemoryChunk> memory_of(u64 mebibytes) { return {{{0}, somewhere, mebibytes * MiB}}; }

std::string_view why(const auto& result) { return result ? "" : result.error().what; }

bool inside(const GuestRam& ram, u64 start, u64 size) {
    for (const GuestRange& range : ram)
        if (start >= range.start.value && start <= range.end().value && range.end().value - start >= size)
            return true;
    return false;
}

} // namespace

TEST_CASE("Linux boot: a guest's RAM is its chunks with neighbours merged") {
    const std::vector<MemoryChunk> chunks{{{0}, somewhere, 2 * MiB},
                                          {{2 * MiB}, somewhere + 64 * MiB, 6 * MiB},
                                          {{16 * MiB}, somewhere, 4 * MiB},
                                          {{4 * GiB}, somewhere, 8 * MiB}};
    const Result<GuestRam> ram = merge_guest_ram(chunks);
    REQUIRE(ram);
    REQUIRE(ram->size() == 3);
    CHECK((*ram)[0].size == 8 * MiB);
    CHECK((*ram)[1].start.value == 16 * MiB);
    CHECK((*ram)[2].end().value == 4 * GiB + 8 * MiB);
}

TEST_CASE("Linux boot: memory that is no machine's is refused") {
    const auto refused = [](std::vector<MemoryChunk> chunks) { return !merge_guest_ram(chunks); };
    CHECK(refused({}));
    CHECK(refused({{{2 * MiB}, somewhere, 2 * MiB}}));
    CHECK(refused({{{0}, somewhere, 1 * MiB}}));
    CHECK(refused({{{0}, somewhere, 4 * MiB}, {{2 * MiB}, somewhere, 2 * MiB}}));
    CHECK(refused({{{0}, somewhere, 4 * MiB}, {{8 * MiB}, somewhere, ~u64{0}}}));
    CHECK(refused({{{0}, somewhere, 4 * MiB}, {{~u64{0} - 2 * MiB + 1}, somewhere, 2 * MiB}}));
    CHECK(refused({{{0}, somewhere, 3 * GiB + 2 * MiB}}));
    CHECK(refused({{{0}, somewhere, 2 * MiB}, {{3 * GiB}, somewhere, 2 * MiB}}));
    CHECK_FALSE(refused({{{0}, somewhere, 3 * GiB}, {{4 * GiB}, somewhere, 1 * GiB}}));
    std::vector<MemoryChunk> gaps;
    for (u64 i = 0; i < 33; ++i)
        gaps.push_back({{i * 4 * MiB}, somewhere, 2 * MiB});
    CHECK(refused(gaps));
}

TEST_CASE("Linux boot: what a bzImage says is read") {
    const Result<LinuxImage> image = parse_linux_image(small_kernel());
    REQUIRE(image);
    CHECK(image->payload_offset == 1024);
    CHECK(image->payload_size == 8192);
    CHECK(image->pref_address == 0x100'0000);
    CHECK(image->init_size == 0x10'0000);
    CHECK(image->kernel_alignment == 0x20'0000);
    CHECK(image->initrd_addr_max == 0x7fff'ffff);
    CHECK(image->cmdline_size == 2047);
    CHECK(image->relocatable);
}

TEST_CASE("Linux boot: what is not loaded is behind the kernel, what is missing is an error") {
    Bytes file = small_kernel();
    file.resize(file.size() + 512); // a signature
    CHECK(parse_linux_image(file)->payload_size == 8192);
    set(file, 0x1f1, 0, 1); // means 4
    CHECK(why(parse_linux_image(file)) == "the kernel's file is truncated: bytes missing");
    CHECK(parse_linux_image(file).error().value == 3 * 512 - 512);
}

TEST_CASE("Linux boot: each thing that is wrong with a kernel has its name") {
    const auto changed = [](std::size_t offset, u64 value, std::size_t size) {
        Bytes file = small_kernel();
        set(file, offset, value, size);
        return parse_linux_image(file);
    };
    CHECK(why(changed(0x1fe, 0, 2)) == "not a bzImage: no HdrS signature");
    CHECK(why(changed(0x202, 0, 4)) == "not a bzImage: no HdrS signature");
    CHECK(why(changed(0x206, 0x020b, 2)) == "the kernel's boot protocol is older than 2.12");
    CHECK(changed(0x206, 0x020b, 2).error().value == 0x020b);
    CHECK(changed(0x206, 0x020c, 2));
    CHECK(why(changed(0x211, 0, 1)) == "the kernel is a zImage, not a bzImage");
    CHECK(why(changed(0x236, 0xfffe, 2)) == "the kernel has no 64-bit entry point");
    CHECK(why(changed(0x201, 0x61, 1)) == "the kernel's setup header is shorter than its version says");
    CHECK(why(changed(0x1f4, 513, 4)) == "the kernel's file is truncated: bytes missing");
    CHECK(why(changed(0x1f4, 0, 4)) == "the kernel's file is truncated: bytes missing");
    CHECK(why(changed(0x1f4, 32, 4)) == "the kernel has no code at its 64-bit entry point");
    CHECK(why(changed(0x260, 8191, 4)) == "the kernel's init_size is smaller than the kernel");
    CHECK(why(changed(0x230, 0, 4)) == "the kernel's alignment is not a power of two");
    CHECK(why(changed(0x230, 0x30'0000, 4)) == "the kernel's alignment is not a power of two");
    CHECK(why(parse_linux_image({})) == "not a bzImage: the file is too short");
}

TEST_CASE("Linux boot: the kernel goes where it prefers to be, or to the lowest place above that fits") {
    const Bytes kernel = small_kernel();
    CHECK(plan_linux_boot(kernel, 0, "", memory_of(64))->kernel == GuestPhysical{0x100'0000});
    CHECK(plan_linux_boot(kernel, 0, "", memory_of(17))->kernel == GuestPhysical{0x100'0000});
    const auto small = plan_linux_boot(kernel, 0, "", memory_of(16)); // it would unpack itself at 16 MiB from anywhere
    CHECK(why(small) == "the guest's memory below 4 GiB has no room for its kernel: bytes needed");
    CHECK(small.error().value == 0x10'0000);
    // The preferred address is in a hole, the first piece is too small.
    Bytes large = kernel;
    set(large, 0x260, 12 * MiB, 4);
    const std::vector<MemoryChunk> pieces{{{0}, somewhere, 12 * MiB}, {{32 * MiB}, somewhere, 16 * MiB}};
    CHECK(plan_linux_boot(large, 0, "", pieces)->kernel == GuestPhysical{32 * MiB});

    Bytes fixed = kernel;
    set(fixed, 0x234, 0, 1);
    CHECK(plan_linux_boot(fixed, 0, "", memory_of(64))->kernel == GuestPhysical{0x100'0000});
    const auto none = plan_linux_boot(fixed, 0, "", memory_of(16));
    CHECK(why(none) == "the guest's memory below 4 GiB has no room for its kernel: bytes needed");
    CHECK(none.error().value == 0x10'0000);
    set(fixed, 0x258, 0x8'0000, 8); // would lie on what this loader puts below 1 MiB
    CHECK_FALSE(plan_linux_boot(fixed, 0, "", memory_of(64)));
    set(fixed, 0x258, ~u64{0}, 8);
    CHECK_FALSE(plan_linux_boot(fixed, 0, "", memory_of(64)));
    set(fixed, 0x258, 64 * MiB - 0x10'0000, 8);
    CHECK(plan_linux_boot(fixed, 0, "", memory_of(64)));
    set(fixed, 0x258, 64 * MiB - 0xf'f000, 8);
    CHECK_FALSE(plan_linux_boot(fixed, 0, "", memory_of(64)));
}

TEST_CASE("Linux boot: the initrd goes as high as it may") {
    const Bytes kernel = small_kernel();
    CHECK(plan_linux_boot(kernel, 5000, "", memory_of(64))->initrd == GuestPhysical{64 * MiB - 2 * page_size});
    CHECK(plan_linux_boot(kernel, 4096, "", memory_of(3072))->initrd == GuestPhysical{0x8000'0000 - page_size});
    const std::vector<MemoryChunk> high{{{0}, somewhere, 64 * MiB}, {{4 * GiB}, somewhere, 64 * MiB}};
    CHECK(plan_linux_boot(kernel, 4096, "", high)->initrd == GuestPhysical{64 * MiB - page_size});
    // Behind the kernel there is no room: before it.
    CHECK(plan_linux_boot(kernel, 14 * MiB, "", memory_of(18))->initrd == GuestPhysical{2 * MiB});
    const auto none = plan_linux_boot(kernel, 64 * MiB, "", memory_of(64));
    CHECK(why(none) == "the guest's memory below 4 GiB has no room for its initrd: bytes needed");
    CHECK(none.error().value == 64 * MiB);
    CHECK_FALSE(plan_linux_boot(kernel, ~u64{0}, "", memory_of(64)));
}

TEST_CASE("Linux boot: a command line that is too long is refused") {
    const std::string fits(2047, 'x');
    const std::string long_line(2048, 'x');
    CHECK(plan_linux_boot(small_kernel(), 0, fits, memory_of(64)));
    CHECK(plan_linux_boot(small_kernel(), 0, long_line, memory_of(64)).error().value == 2048);
    Bytes greedy = small_kernel();
    set(greedy, 0x238, 0xffff'ffff, 4);
    CHECK(plan_linux_boot(greedy, 0, std::string(65535, 'x'), memory_of(64)));
    CHECK_FALSE(plan_linux_boot(greedy, 0, std::string(65536, 'x'), memory_of(64)));
}

TEST_CASE("Linux boot: boot_params tell the kernel its machine") {
    Bytes kernel = small_kernel();
    set(kernel, 0x1fa, 0xffff, 2); // vid_mode: copied
    set(kernel, 0x23c, 1, 4);      // hardware_subarch, setup_data: not believed
    set(kernel, 0x250, 0xdead'beef, 8);
    const std::vector<MemoryChunk> memory{{{0}, somewhere, 64 * MiB}, {{4 * GiB}, somewhere, 32 * MiB}};
    const auto plan = plan_linux_boot(kernel, 5000, "console=ttyS0", memory);
    REQUIRE(plan);
    Bytes low(linux_low_memory("console=ttyS0"));
    const EntryState entry = write_linux_boot(*plan, kernel, "console=ttyS0", low);

    const auto params = std::span<const u8>(low).subspan(entry.rsi, 4096);
    CHECK(get(params, 0x70, 8) == 0xe0000);
    CHECK(get(params, 0x202, 4) == 0x53726448);
    CHECK(get(params, 0x210, 1) == 0xff);
    CHECK(get(params, 0x1fa, 2) == 0xffff);
    CHECK(get(params, 0x214, 4) == 0x100'0000);
    CHECK(get(params, 0x218, 4) == plan->initrd.value);
    CHECK(get(params, 0x21c, 4) == 5000);
    CHECK(get(params, 0xc0, 8) == 0);
    CHECK(get(params, 0xc8, 4) == 0);
    CHECK(get(params, 0x23c, 4) == 0);
    CHECK(get(params, 0x250, 8) == 0);
    CHECK(get(params, 0x1ef, 1) == 0); // sentinel
    CHECK(get(params, 0x260, 4) == 0x10'0000);
    CHECK(std::string(reinterpret_cast<const char*>(low.data() + get(params, 0x228, 4))) == "console=ttyS0");

    REQUIRE(params[0x1e8] == 4);
    const auto check_range = [&](std::size_t index, u64 start, u64 end, u32 type) {
        CHECK(get(params, 0x2d0 + 20 * index, 8) == start);
        CHECK(get(params, 0x2d0 + 20 * index + 8, 8) == end - start);
        CHECK(get(params, 0x2d0 + 20 * index + 16, 4) == type);
    };
    check_range(0, 0, 0x9fc00, 1);
    check_range(1, 0x9fc00, 0x10'0000, 2);
    check_range(2, 0x10'0000, 64 * MiB, 1);
    check_range(3, 4 * GiB, 4 * GiB + 32 * MiB, 1);
}

TEST_CASE("Linux boot: the vCPU starts at the 64-bit entry with flat segments and the first 4 GiB mapped") {
    const Bytes kernel = small_kernel();
    const auto plan = plan_linux_boot(kernel, 0, "", memory_of(64));
    REQUIRE(plan);
    Bytes low(linux_low_memory(""));
    const EntryState entry = write_linux_boot(*plan, kernel, "", low);
    CHECK(entry.rip == 0x100'0200);
    CHECK(entry.gdt_limit == 31);
    CHECK(get(low, entry.gdt_base + entry.code_selector, 8) == 0x00af'9b00'0000'ffff);
    CHECK(get(low, entry.gdt_base + entry.data_selector, 8) == 0x00cf'9300'0000'ffff);
    for (const u64 address : {u64{0}, u64{0x100'0200}, 3 * GiB - 1, 4 * GiB - 1}) {
        u64 table = entry.cr3;
        u64 found = 0;
        for (unsigned shift = 39;; shift -= 9) {
            const u64 item = get(low, table + 8 * (address >> shift & 511), 8);
            REQUIRE((item & 3) == 3);
            if ((item & 0x80) != 0) {
                found = (item & ~u64{0x1f'ffff}) + (address & 0x1f'ffff);
                break;
            }
            table = item & ~u64{0xfff};
        }
        CHECK(found == address);
    }
    CHECK(get(low, entry.cr3 + 8, 8) == 0);
}

TEST_CASE("Linux boot: a hostile header is refused or leads to a plan inside the guest's memory") {
    const std::vector<MemoryChunk> memory{{{0}, somewhere, 24 * MiB}, {{64 * MiB}, somewhere, 24 * MiB}};
    constexpr u64 interesting[] = {0,
                                   1,
                                   0x7f,
                                   0x80,
                                   0xff,
                                   0x1000,
                                   0x7fff'ffff,
                                   0x8000'0000,
                                   0xffff'ffff,
                                   0x1'0000'0000,
                                   0x7fff'ffff'ffff'ffff,
                                   0x8000'0000'0000'0000,
                                   ~u64{0}};
    u32 accepted = 0;
    Bytes low(linux_low_memory("x"));
    for (std::size_t offset = 0x1f1; offset < 0x26c; ++offset) {
        for (const std::size_t size : {1u, 2u, 4u, 8u}) {
            for (const u64 value : interesting) {
                Bytes kernel = small_kernel();
                set(kernel, offset, value, size);
                const auto plan = plan_linux_boot(kernel, 100'000, "x", memory);
                if (!plan)
                    continue;
                ++accepted;
                const LinuxImage& image = plan->image;
                REQUIRE(image.payload_size <= image.init_size);
                REQUIRE(image.payload_offset + image.payload_size <= kernel.size());
                REQUIRE(plan->kernel.value >= MiB);
                REQUIRE(inside(plan->ram, plan->kernel.value, image.init_size));
                REQUIRE(plan->initrd.value >= MiB);
                REQUIRE(inside(plan->ram, plan->initrd.value, 100'000));
                REQUIRE((plan->initrd.value >= plan->kernel.value + image.init_size ||
                         plan->initrd.value + 100'000 <= plan->kernel.value));
                std::ranges::fill(low, u8{0});
                (void)write_linux_boot(*plan, kernel, "x", low);
            }
        }
    }
    CHECK(accepted > 1000);
    for (std::size_t size = 0; size < 0x500; ++size) { // cut off anywhere
        const Bytes kernel = small_kernel();
        REQUIRE_FALSE(parse_linux_image(std::span(kernel).first(size)));
    }
}

TEST_CASE("Linux boot: Debian's stock kernels") {
    const std::string path = STOCK_KERNEL + GENERATE(std::string("bookworm"), "trixie");
    std::ifstream file(path, std::ios::binary);
    if (!file)
        SKIP("there is no " << path << ": ./bulkhead fetches it");
    const Bytes kernel(std::istreambuf_iterator<char>(file), {});
    const auto image = parse_linux_image(kernel);
    INFO(path << ": " << why(image));
    REQUIRE(image);
    CHECK(image->payload_offset + image->payload_size <= kernel.size());
    CHECK(kernel.size() - image->payload_offset - image->payload_size < 64 * KiB); // at most a signature is left out
    const auto plan = plan_linux_boot(kernel, 8 * MiB, "console=ttyS0", memory_of(512));
    INFO(why(plan));
    REQUIRE(plan);
    CHECK(plan->kernel.value == image->pref_address);
}
