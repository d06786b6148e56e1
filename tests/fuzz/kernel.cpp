// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// Any file as a guest's kernel: it is refused, or every byte of it has a place in the guest's RAM that is its own.
#include <algorithm>
#include <array>

#include "boot/guest/kernel.hpp"
#include "boot/guest/start.hpp"
#include "fuzz/fuzz.hpp"
#include "mm/guest_memory_map.hpp"
#include "unit/boot/guest/small_programs.hpp"

namespace bulkhead {
namespace {

constexpr std::array memory{MemoryChunk{{0}, {0x4000'0000}, 32 * MiB}, MemoryChunk{{4 * GiB}, {0x8000'0000}, 32 * MiB}};

/// What of a guest is not its kernel, by the bits of the input's second byte.
enum Option : u8 { has_initrd = 1, has_modules = 2, has_words = 4 };

void check(const GuestStart& start) {
    const GuestMemoryMap map = GuestMemoryMap::create(memory).value();
    std::vector<StartSegment> segments(start.segments.begin(), start.segments.end());
    std::ranges::sort(segments, {}, &StartSegment::to);
    u64 end = 0;
    for (const auto& [to, bytes] : segments) {
        fuzz::require(!bytes.empty(), "an empty segment");
        fuzz::require(to.value >= end, "segments overlap");
        fuzz::require(map.is_ram(to, bytes.size()), "a segment outside of RAM");
        // Every byte of it can be read.
        fuzz::require(std::ranges::count(bytes, bytes.front()) > 0, "a segment of no file");
        end = to.value + bytes.size();
    }
    fuzz::require(start.entry.rip < 4 * GiB, "an entry above 4 GiB");
}

void try_kernel(const GuestSources& sources) {
    std::vector<u8> made(made_for_guest_size(sources.cmdline, sources.vcpus));
    const auto start = make_guest_start(sources, made);
    std::vector<u64> sizes;
    for (const GuestModule& module : sources.modules)
        sizes.push_back(module.bytes.size());
    const bool planned = plan_kernel({.format = sources.format,
                                      .kernel = sources.kernel,
                                      .initrd_size = sources.initrd.bytes.size(),
                                      .module_sizes = sizes,
                                      .cmdline = sources.cmdline,
                                      .memory = memory})
                             .has_value();
    if (start)
        check(*start);
    fuzz::require(planned || !start, "what the host command would refuse was started");
}

} // namespace

void fuzz::try_input(Bytes input) {
    Reader reader(input);
    const auto format = static_cast<KernelFormat>(reader.take<u8>() % 5);
    const u8 options = reader.take<u8>();
    const Bytes kernel = reader.rest();
    static const std::vector<u8> file(5000, 0xaa);
    static const std::array modules{GuestModule{file, "one x"}, GuestModule{std::span(file).first(4097), "two"}};
    GuestSources sources{.format = format, .kernel = kernel, .cmdline = "", .memory = memory, .vcpus = 2};
    if ((options & has_initrd) != 0)
        sources.initrd = {file, "initrd"};
    if ((options & has_modules) != 0)
        sources.modules = modules;
    if ((options & has_words) != 0)
        sources.cmdline = "console=ttyS0 quiet";
    static_cast<void>(recognize_kernel(kernel));
    try_kernel(sources);
}

std::vector<fuzz::Seed> fuzz::seeds() {
    std::vector<Seed> seeds;
    for (const auto& kernel : {small_kernel(), small_pvh64(), small_multiboot(), small_addresses()})
        for (const u8 options : {u8{0}, u8{has_initrd | has_words}, u8{has_modules}})
            seeds.push_back(Writer().number(0, 1).number(options, 1).bytes(kernel).seed());
    seeds.push_back(Writer().number(4, 1).number(0, 1).bytes(small_pvh64()).seed());
    return seeds;
}

} // namespace bulkhead
