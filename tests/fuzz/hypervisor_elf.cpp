// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// Any file as the hypervisor's ELF: it is refused, or all of it lies within the file and within the image.
#include "boot/elf.hpp"
#include "fuzz/fuzz.hpp"

namespace bulkhead {

void fuzz::try_input(Bytes input) {
    const auto image = boot::parse_elf(input);
    if (!image)
        return;
    require(image->size % large_page_size == 0 && image->size != 0, "an image of an odd size");
    require(image->entry.value - image->base.value < image->size, "an entry outside of the image");
    u64 end = 0;
    for (const boot::Segment& segment : image->segments) {
        require(segment.image_offset >= end, "segments overlap");
        require(segment.file_size <= segment.memory_size, "more bytes than memory");
        require(segment.file_offset <= input.size() && segment.file_size <= input.size() - segment.file_offset,
                "a segment beyond the file");
        end = segment.image_offset + segment.memory_size;
    }
    require(end <= image->size, "a segment beyond the image");
    if (image->size > 4 * large_page_size)
        return; // it would only take long
    static std::vector<u8> memory(4 * large_page_size);
    boot::load_elf(*image, input, std::span(memory).first(image->size));
}

/// One with text and data, and a header that is no segment.
std::vector<fuzz::Seed> fuzz::seeds() {
    constexpr u64 base = 0xffff'ffff'8000'0000;
    Writer file;
    file.number(0x7f | 'E' << 8 | 'L' << 16 | 'F' << 24, 4).number(0x010102, 4).number(0, 8);
    file.number(2, 2).number(62, 2).number(1, 4).number(base + 4, 8).number(64, 8).number(0, 8); // to e_shoff
    file.number(0, 4).number(64, 2).number(56, 2).number(3, 2).number(0, 6);
    const auto header = [&](u64 type, u64 offset, u64 address, u64 size, u64 memory) {
        file.number(type, 4).number(5, 4).number(offset, 8).number(address, 8).number(address, 8);
        file.number(size, 8).number(memory, 8).number(4096, 8);
    };
    header(1, 232, base, 32, 32);
    header(0x6474e551, 0, 0, 0, 0);
    header(1, 264, base + 0x2000, 16, 116);
    for (u64 i = 0; i < 6; ++i)
        file.number(0xcccc'cccc'cccc'cccc, 8);
    return {file.seed()};
}

} // namespace bulkhead
