// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "boot/elf.hpp"

#include <cstring>
#include <random>
#include <vector>

#include <catch2/catch_test_macros.hpp>

using namespace bulkhead;
using namespace bulkhead::boot;

namespace {

constexpr u64 link_address = 0xffff'ffff'8000'0000;

void put(std::vector<u8>& file, u64 offset, u64 value, unsigned size) {
    REQUIRE(offset + size <= file.size());
    std::memcpy(file.data() + offset, &value, size);
}

constexpr u64 phdr(unsigned index) { return 64 + 56 * index; }

void put_segment(std::vector<u8>& file, unsigned index, u64 vaddr, u64 offset, u64 file_size, u64 memory_size) {
    put(file, phdr(index) + 0, 1, 4);
    put(file, phdr(index) + 8, offset, 8);
    put(file, phdr(index) + 16, vaddr, 8);
    put(file, phdr(index) + 24, vaddr, 8);
    put(file, phdr(index) + 32, file_size, 8);
    put(file, phdr(index) + 40, memory_size, 8);
}

/// Text of 32 bytes at the start, data of 16 with 100 bytes of .bss in the third page, and a header that is no segment.
std::vector<u8> good_file() {
    std::vector<u8> file(0x200, 0xcc);
    const u8 ident[16] = {0x7f, 'E', 'L', 'F', 2, 1, 1};
    std::memset(file.data(), 0, phdr(3));
    std::memcpy(file.data(), ident, sizeof ident);
    put(file, 16, 2, 2);
    put(file, 18, 62, 2);
    put(file, 24, link_address + 4, 8);
    put(file, 32, 64, 8);
    put(file, 54, 56, 2);
    put(file, 56, 3, 2);
    put_segment(file, 0, link_address, 0x100, 0x20, 0x20);
    put(file, phdr(1), 0x6474e551, 4); // PT_GNU_STACK
    put_segment(file, 2, link_address + 0x2000, 0x180, 16, 116);
    return file;
}

} // namespace

TEST_CASE("an ELF is laid out and loaded") {
    auto file = good_file();
    for (unsigned i = 0; i < 16; ++i)
        file[0x180 + i] = static_cast<u8>(i + 1);
    const auto image = parse_elf(file);
    REQUIRE(image.has_value());
    CHECK(image->base.value == link_address);
    CHECK(image->size == large_page_size);
    CHECK(image->entry.value == link_address + 4);
    CHECK(image->segments.size() == 2);

    std::vector<u8> memory(image->size, 0xaa);
    load_elf(*image, file, memory);
    CHECK(memory[0x1f] == 0xcc);
    CHECK(memory[0x20] == 0);
    CHECK(memory[0x1fff] == 0);
    CHECK(memory[0x2000] == 1);
    CHECK(memory[0x200f] == 16);
    CHECK(memory[0x2010] == 0);
    CHECK(memory.back() == 0);
}

TEST_CASE("an ELF that is not the hypervisor's is refused") {
    const auto refused = [](u64 offset, u64 value, unsigned size) {
        auto file = good_file();
        put(file, offset, value, size);
        return !parse_elf(file).has_value();
    };
    CHECK(refused(0, 0x7e, 1));
    CHECK(refused(4, 1, 1));   // ELFCLASS32
    CHECK(refused(16, 3, 2));  // ET_DYN
    CHECK(refused(18, 3, 2));  // EM_386
    CHECK(refused(54, 32, 2)); // e_phentsize
    CHECK(refused(24, link_address - 1, 8));
    CHECK(refused(24, link_address + 0x2074, 8));
    CHECK(refused(56, 0, 2)); // no segments
    CHECK_FALSE(parse_elf({}).has_value());
    const auto file = good_file();
    CHECK_FALSE(parse_elf(std::span(file).first(63)).has_value());
}

TEST_CASE("segments beyond the file, out of order or elsewhere are refused") {
    const auto refused = [](u64 vaddr, u64 offset, u64 file_size, u64 memory_size) {
        auto file = good_file();
        put_segment(file, 2, vaddr, offset, file_size, memory_size);
        return !parse_elf(file).has_value();
    };
    constexpr u64 here = link_address + 0x2000;
    CHECK_FALSE(refused(here, 0x1f0, 16, 16));
    CHECK(refused(here, 0x1f1, 16, 16));
    CHECK(refused(here, ~u64{0}, 16, 16));
    CHECK(refused(here, 0x180, ~u64{0}, ~u64{0}));
    CHECK(refused(here, 0x180, 17, 16));
    CHECK(refused(here, 0x180, 16, ~u64{0}));
    CHECK(refused(here, 0x180, 16, 65 * MiB));
    CHECK(refused(link_address + 0x1f, 0x180, 16, 16)); // overlaps the first
    CHECK(refused(0x10'0000, 0x180, 16, 16));
    CHECK(refused(~u64{0} - 8, 0x180, 16, 16));

    auto file = good_file();
    put(file, 32, ~u64{0} - 100, 8);
    CHECK_FALSE(parse_elf(file).has_value());
    file = good_file();
    put(file, 56, 0xffff, 2);
    CHECK_FALSE(parse_elf(file).has_value());
}

TEST_CASE("whatever bits flip in an ELF, loading stays inside of the image and the file") {
    std::mt19937 random(3);
    const auto original = good_file();
    for (int round = 0; round < 5000; ++round) {
        auto file = original;
        for (unsigned flips = 1 + random() % 3; flips > 0; --flips)
            file[random() % phdr(3)] ^= static_cast<u8>(1u << random() % 8);
        const auto image = parse_elf(file);
        if (!image || image->size > 4 * large_page_size)
            continue;
        std::vector<u8> memory(image->size);
        load_elf(*image, file, memory);
    }
    SUCCEED();
}
