// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// Kernels that are no bzImages: PVH, multiboot and flat ones, and files that only look like them.
#include <algorithm>
#include <array>
#include <string>

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>

#include "boot/guest/kernel.hpp"
#include "boot/guest/start.hpp"
#include "boot/guest/start_info.hpp"
#include "mm/guest_memory_map.hpp"
#include "unit/boot/guest/small_programs.hpp"

using namespace bulkhead;

namespace {

const std::vector<MemoryChunk> memory{{{0}, {0x4000'0000}, 32 * MiB}, {{4 * GiB}, {0x8000'0000}, 32 * MiB}};

template <class T> std::string why(const Result<T>& result) {
    return result ? std::string() : std::string(std::string_view(result.error().what));
}

std::string why(const Bytes& kernel, KernelFormat format = KernelFormat::Auto, std::vector<u64> modules = {}) {
    return why(
        plan_kernel({.format = format, .kernel = kernel, .module_sizes = modules, .cmdline = "x", .memory = memory}));
}

Bytes changed(Bytes file, std::size_t offset, u64 value, std::size_t size) {
    set(file, offset, value, size);
    return file;
}

DirectPlan plan_of(const Bytes& kernel, std::vector<u64> modules = {}) {
    const auto plan = plan_kernel({.kernel = kernel, .module_sizes = modules, .cmdline = "", .memory = memory});
    INFO(why(plan));
    REQUIRE(plan);
    REQUIRE(std::get_if<DirectPlan>(&*plan) != nullptr);
    return *std::get_if<DirectPlan>(&*plan);
}

/// The guest's low memory when all segments have been copied.
struct Started {
    Bytes made, guest = Bytes(32 * MiB);
    EntryState entry;

    Started(const Bytes& kernel, KernelFormat format, std::string_view cmdline, const GuestModule& initrd,
            const std::vector<GuestModule>& modules) {
        made.resize(made_for_guest_size(cmdline, 2));
        const auto start = make_guest_start({.format = format,
                                             .kernel = kernel,
                                             .initrd = initrd,
                                             .modules = modules,
                                             .cmdline = cmdline,
                                             .memory = memory,
                                             .vcpus = 2},
                                            made);
        INFO(why(start));
        REQUIRE(start);
        entry = start->entry;
        const GuestMemoryMap map = GuestMemoryMap::create(memory).value();
        Bytes touched(guest.size());
        for (const auto& [to, bytes] : start->segments) {
            REQUIRE(map.is_ram(to, bytes.size()));
            for (u64 i = 0; i < bytes.size(); ++i) {
                REQUIRE(touched[to.value + i]++ == 0);
                guest[to.value + i] = bytes[i];
            }
        }
    }
    [[nodiscard]] u64 at(u64 address, std::size_t size) const { return get(guest, address, size); }
    [[nodiscard]] std::string text(u64 address) const { return reinterpret_cast<const char*>(&guest[address]); }
};

const Bytes first(5000, 0xaa), second(4097, 0xbb);

} // namespace

TEST_CASE("Kernel formats: each is known by its file, a flat one has to be said") {
    CHECK(recognize_kernel(small_kernel()) == KernelFormat::BzImage);
    CHECK(recognize_kernel(small_pvh64()) == KernelFormat::Pvh);
    CHECK(recognize_kernel(small_multiboot()) == KernelFormat::Multiboot);
    CHECK(recognize_kernel(small_addresses()) == KernelFormat::Multiboot);
    CHECK(recognize_kernel(Bytes(4096)) == KernelFormat::Auto);
    CHECK(recognize_kernel({}) == KernelFormat::Auto);
    CHECK(why(Bytes(4096)) == "the file is neither a bzImage nor an ELF file, and has no multiboot header: bytes");
    CHECK(why(Bytes(4096), KernelFormat::Flat).empty());
    CHECK(why(Bytes(4096), KernelFormat::Pvh) == "the kernel is no ELF file");
    CHECK(why(Bytes(4096), KernelFormat::Multiboot) == "the kernel has no multiboot header");
    CHECK(why(small_multiboot(), KernelFormat::Pvh) ==
          "the kernel's ELF file has no PVH note (XEN_ELFNOTE_PHYS32_ENTRY)");
    CHECK(why(changed(small_multiboot(), program_multiboot, 0, 4)) ==
          "the kernel's ELF file has no PVH note (XEN_ELFNOTE_PHYS32_ENTRY)");
    CHECK(why(small_kernel(), KernelFormat::Auto, {1}) == "a bzImage takes an initrd, but no modules: there are");
}

TEST_CASE("Kernel formats: parts and entries are where the files say") {
    const DirectPlan pvh = plan_of(small_pvh64());
    CHECK(pvh.program.entry == GuestPhysical{0x100'0020});
    REQUIRE(pvh.program.parts.size() == 1);
    CHECK(pvh.program.parts[0].to == GuestPhysical{0x100'0000});
    CHECK(pvh.program.parts[0].memory_size == 0x2000);
    CHECK(plan_of(small_multiboot()).program.entry == GuestPhysical{0x100'0010});
    const DirectPlan addresses = plan_of(small_addresses());
    CHECK(addresses.program.entry == GuestPhysical{0x20'0000});
    CHECK(addresses.program.parts[0].memory_size == 0x1000);
    CHECK(addresses.program.parts[0].size == 0x300);
    // e_entry is virtual; the part that it lies in says what that is.
    Bytes high = small_multiboot();
    set(high, 24, 0xc100'0010, 4);
    set(high, elf32_phdrs + 8, 0xc100'0000, 4);
    CHECK(plan_of(high).program.entry == GuestPhysical{0x100'0010});
}

TEST_CASE("Kernel formats: notes are found behind others, and where they are aligned to 8 bytes") {
    Bytes file = small_pvh64();
    const std::size_t property = program_note, xen = program_note + 32;
    set(file, elf64_phdrs + 56 + 32, 56, 8); // filesz, memsz, align
    set(file, elf64_phdrs + 56 + 40, 56, 8);
    set(file, elf64_phdrs + 56 + 48, 8, 8);
    std::fill_n(&file[property], 64, u8{0});
    set(file, property, 4, 4); // .note.gnu.property, as compilers write it
    set(file, property + 4, 16, 4);
    set(file, property + 8, 5, 4);
    std::memcpy(&file[property + 12], "GNU", 4);
    set(file, xen, 4, 4);
    set(file, xen + 4, 8, 4);
    set(file, xen + 8, 18, 4);
    std::memcpy(&file[xen + 12], "Xen", 4);
    set(file, xen + 16, 0x100'0030, 8);
    CHECK(plan_of(file).program.entry == GuestPhysical{0x100'0030});
}

TEST_CASE("Kernel formats: what is wrong in an ELF file has a name") {
    const Bytes good = small_pvh64();
    const std::size_t load = elf64_phdrs, note = program_note;
    CHECK(why(changed(good, 4, 3, 1)) == "the kernel's ELF file has neither 32 nor 64 bits: class");
    CHECK(why(changed(good, 16, 1, 2)) == "the kernel's ELF file is no executable: type");
    CHECK(why(changed(good, 18, 183, 2)) == "the kernel's ELF file is not for x86: machine");
    CHECK(why(changed(good, 54, 57, 2)) == "the kernel's program headers have another size than ELF says");
    CHECK(why(changed(good, 32, ~u64{0}, 8)) == "the kernel's ELF file ends before its program headers do: offset");
    CHECK(why(changed(good, 56, 100, 2)) == "the kernel's ELF file ends before its program headers do: offset");
    CHECK(why(changed(good, load + 8, ~u64{0}, 8)) == "the kernel's ELF file ends before its segments do: offset");
    CHECK(why(changed(good, load + 32, 0x101, 8)) == "the kernel's ELF file ends before its segments do: offset");
    CHECK(why(changed(good, load + 40, 0xff, 8)) ==
          "the kernel's ELF file has a segment with more bytes than memory: bytes");
    CHECK(why(changed(good, load + 24, ~u64{0}, 8)) == "the kernel's ELF file has a segment above 4 GiB: address");
    CHECK(why(changed(good, load + 40, ~u64{0}, 8)) == "the kernel's ELF file has a segment above 4 GiB: address");
    CHECK(why(changed(good, load, 0, 4)) == "the kernel's ELF file has nothing to load");
    CHECK(why(changed(good, note, ~u64{0}, 4)) == "the kernel's ELF file has a note that is cut off: bytes");
    CHECK(why(changed(good, note + 4, 5, 4)) == "the kernel's ELF file has a note that is cut off: bytes");
    CHECK(why(changed(good, note + 4, 3, 4)) == "the kernel's PVH note has not 4 or 8 bytes but");
    CHECK(why(changed(good, note + 16, 0x102'0000, 4)) == "the kernel's entry is not in what is loaded of it: address");
    CHECK(why(changed(good, load + 24, 30 * MiB, 8)) == "the kernel's entry is not in what is loaded of it: address");
    CHECK(why(changed(good, load + 24, 32 * MiB - 0x1000, 8)) ==
          "the kernel wants to be where the guest has no RAM: address");
    CHECK(why(changed(good, load + 24, 0x9f000, 8)) == "the kernel wants to be where the guest has no RAM: address");
    CHECK(why(changed(good, load + 24, 0xff000, 8)) ==
          "the kernel wants to be where the guest's ACPI tables and start information are: address");
    Bytes twice = good;
    std::copy_n(&twice[load], 56, &twice[load + 56]);
    set(twice, load + 56 + 24, 0x100'1fff, 8);
    CHECK(why(twice, KernelFormat::Pvh) == "the kernel's ELF file has no PVH note (XEN_ELFNOTE_PHYS32_ENTRY)");
    set(twice, 56, 3, 2);
    std::copy_n(&good[load + 56], 56, &twice[load + 112]);
    CHECK(why(twice) == "two parts of the kernel overlap: address");
}

TEST_CASE("Kernel formats: what is wrong in a multiboot header has a name") {
    const auto with = [](Bytes file, u32 flags) {
        set(file, program_multiboot + 4, flags, 4);
        set(file, program_multiboot + 8, 0u - 0x1bad'b002u - flags, 4);
        return file;
    };
    CHECK(why(with(small_multiboot(), 0)).empty());
    CHECK(why(with(small_multiboot(), 7)) == "the kernel's multiboot header needs what there is not: flags");
    CHECK(why(with(small_multiboot(), 0x8003)) == "the kernel's multiboot header needs what there is not: flags");
    CHECK(why(with(small_addresses(), 3)) == "the kernel is no ELF file");
    const Bytes good = small_addresses();
    const auto field = [&](std::size_t index, u32 value) {
        return why(changed(good, program_multiboot + 4 * index, value, 4));
    };
    CHECK(field(3, 0x1f'ffff) == "the kernel's multiboot header has a wrong load address");
    CHECK(field(4, 0x1f'ffff) == "the kernel's multiboot header has a wrong load address");
    CHECK(field(5, 0x20'0000) == "the kernel's multiboot header has a wrong load end address");
    CHECK(field(5, 0x20'0301) == "the kernel's file is truncated: bytes missing");
    CHECK(field(5, 0).empty());
    CHECK(field(6, 0x20'02ff) == "the kernel's multiboot header has a wrong bss end address");
    CHECK(field(6, 0xffff'ffff) == "the kernel wants to be where the guest has no RAM: address");
    CHECK(field(6, 0).empty());
    CHECK(field(7, 0x20'1000) == "the kernel's entry is not in what is loaded of it: address");
    CHECK_FALSE(find_multiboot_header(changed(good, program_multiboot + 8, 0, 4)));
    Bytes late(8192 - 8);
    late.insert(late.end(), &good[program_multiboot], &good[program_multiboot] + 32);
    CHECK_FALSE(find_multiboot_header(late)); // the header would end behind the first 8192 bytes
}

TEST_CASE("Kernel formats: modules are as high as they can be, page-aligned, apart") {
    const DirectPlan plan = plan_of(small_pvh64(), {5000, 4097, 4096, 15 * MiB, 14 * MiB});
    REQUIRE(plan.modules.size() == 5);
    CHECK(plan.modules[0].start == GuestPhysical{32 * MiB - 0x2000});
    CHECK(plan.modules[1].start == GuestPhysical{32 * MiB - 0x4000});
    CHECK(plan.modules[2].start == GuestPhysical{32 * MiB - 0x5000});
    CHECK(plan.modules[3].start == GuestPhysical{17 * MiB - 0x5000});
    CHECK(plan.modules[4].start == GuestPhysical{2 * MiB}); // below the kernel
    CHECK(why(small_pvh64(), KernelFormat::Auto, {17 * MiB}) ==
          "the guest's memory below 4 GiB has no room for its initrd or a module: bytes needed");
    CHECK(why(small_pvh64(), KernelFormat::Auto, {~u64{0}}) ==
          "the guest's memory below 4 GiB has no room for its initrd or a module: bytes needed");
    CHECK(why(small_pvh64(), KernelFormat::Auto, std::vector<u64>(18, 1)) == "too many modules");
}

TEST_CASE("Kernel formats: a PVH kernel is told of its machine by hvm_start_info") {
    const Started started(small_pvh64(), KernelFormat::Auto, "a b", {first, "initrd"}, {{second, "two words"}});
    CHECK(started.at(0x100'0000, 1) == 0xc0);
    const u64 info = started.entry.rsi;
    CHECK(started.at(info, 4) == HvmStartInfo::expected_magic);
    CHECK(started.at(info + 4, 4) == 1);
    CHECK(started.at(info + 12, 4) == 2);
    CHECK(started.text(started.at(info + 24, 8)) == "a b");
    CHECK(started.text(started.at(info + 32, 8)).starts_with("RSD PTR "));
    const u64 modules = started.at(info + 16, 8);
    CHECK(started.at(modules, 8) == 32 * MiB - 0x2000);
    CHECK(started.at(modules + 8, 8) == 5000);
    CHECK(started.text(started.at(modules + 16, 8)) == "initrd");
    CHECK(started.at(started.at(modules, 8), 1) == 0xaa);
    CHECK(started.at(started.at(modules + 32, 8) + 4096, 2) == 0xbb);
    CHECK(started.text(started.at(modules + 48, 8)) == "two words");
    const u64 map = started.at(info + 40, 8);
    REQUIRE(started.at(info + 48, 4) == 4);
    constexpr u64 expected[4][3] = {{0, 0x9fc00, 1}, {0x9fc00, 0x60400, 2}, {MiB, 31 * MiB, 1}, {4 * GiB, 32 * MiB, 1}};
    for (u64 i = 0; i < 4; ++i)
        for (u64 field = 0; field < 3; ++field)
            CHECK(started.at(map + 24 * i + 8 * field, 8) == expected[i][field]);
    CHECK(started.entry.rip >= direct_area.value); // the way to 32-bit mode
    CHECK(started.at(started.entry.rip + 0x39, 4) == info);
    CHECK(started.at(started.entry.rip + 0x34, 4) == 0);
    CHECK(started.at(started.entry.rip + 0x3e, 4) == 0x100'0020);
}

TEST_CASE("Kernel formats: a multiboot kernel is told of its machine by the multiboot information") {
    const Started started(small_multiboot(), KernelFormat::Auto, "a b", {}, {{first, "one x"}, {second, "two"}});
    const u64 info = started.entry.rsi;
    CHECK(started.at(started.entry.rip + 0x34, 4) == 0x2bad'b002);
    CHECK(started.at(started.entry.rip + 0x39, 4) == info);
    CHECK(started.at(info, 4) == 0x24d);
    CHECK(started.at(info + 4, 4) == 639);
    CHECK(started.at(info + 8, 4) == 31 * 1024);
    CHECK(started.text(started.at(info + 16, 4)) == "a b");
    REQUIRE(started.at(info + 20, 4) == 2);
    const u64 modules = started.at(info + 24, 4);
    CHECK(started.at(modules + 4, 4) - started.at(modules, 4) == 5000);
    CHECK(started.text(started.at(modules + 8, 4)) == "one x");
    CHECK(started.at(modules + 20, 4) - started.at(modules + 16, 4) == 4097);
    REQUIRE(started.at(info + 44, 4) == 4 * 24);
    const u64 map = started.at(info + 48, 4);
    CHECK(started.at(map + 3 * 24, 4) == 20);
    CHECK(started.at(map + 3 * 24 + 4, 8) == 4 * GiB);
    CHECK(started.at(map + 3 * 24 + 12, 8) == 32 * MiB);
    CHECK(started.text(started.at(info + 64, 4)) == "Bulkhead");
}

TEST_CASE("Kernel formats: a flat binary begins at 1 MiB in 64-bit mode") {
    const Started started(Bytes(4097, 0xcc), KernelFormat::Flat, "", {}, {});
    CHECK(started.entry.rip == 1 * MiB);
    CHECK(started.entry.rsp == 0x9fc00);
    CHECK(started.at(1 * MiB + 4096, 2) == 0xcc);
    CHECK(started.at(started.entry.rsi, 4) == HvmStartInfo::expected_magic);
    CHECK(started.at(started.entry.cr3, 8) == started.entry.cr3 + 0x1003);
}

TEST_CASE("Kernel formats: as many words as can be, and one vCPU more than the tables take") {
    const std::string cmdline(2047, 'c'), text(255, 't');
    const std::vector<GuestModule> modules(16, GuestModule{second, text});
    const Started started(small_multiboot(), KernelFormat::Auto, cmdline, {first, text}, modules);
    CHECK(started.at(started.entry.rsi + 20, 4) == 17);
    CHECK(started.text(started.at(started.entry.rsi + 16, 4)) == cmdline);
    CHECK(why(plan_kernel({.kernel = small_multiboot(), .cmdline = cmdline + "c", .memory = memory})) ==
          "the command line is longer than the kernel can take: bytes");
    Bytes made(made_for_guest_size("", 8000));
    CHECK(why(make_guest_start({.kernel = small_multiboot(), .cmdline = "", .memory = memory, .vcpus = 8000}, made)) ==
          "a guest that is no bzImage cannot have so many vCPUs");
}

TEST_CASE("Kernel formats: an ELF file does not say how long it is looked at") {
    Bytes headers = changed(small_pvh64(), 56, 0xffff, 2);
    headers.resize(64 + 56 * 0xffff);
    CHECK(why(headers) == "the kernel's ELF file has too many program headers");
    Bytes notes = changed(small_pvh64(), elf64_phdrs + 56 + 32, 64 * KiB + 1, 8);
    notes.resize(128 * KiB);
    CHECK(why(notes) == "the kernel's ELF file has too many notes: bytes");
}

TEST_CASE("Kernel formats: a hostile file is refused or leads to a plan inside the guest's memory") {
    constexpr u64 interesting[] = {0,           1,           0x7f,          0x80,           0x1000,
                                   0x7fff'ffff, 0x8000'0000, 0xffff'ffff,   0x1'0000'0000,  0x7fff'ffff'ffff'ffff,
                                   ~u64{0} - 3, ~u64{0},     0xffff'f000ul, 0x10'0000 - 16, 32 * MiB - 1};
    const auto [name, good, format] =
        GENERATE(table<std::string, Bytes, KernelFormat>({{"PVH", small_pvh64(), KernelFormat::Pvh},
                                                          {"multiboot", small_multiboot(), KernelFormat::Multiboot},
                                                          {"addresses", small_addresses(), KernelFormat::Multiboot}}));
    INFO(name);
    u32 accepted = 0;
    for (std::size_t offset = 0; offset < program_code - 8; ++offset) {
        for (const std::size_t size : {1u, 2u, 4u, 8u}) {
            for (const u64 value : interesting) {
                const Bytes kernel = changed(good, offset, value, size);
                static_cast<void>(recognize_kernel(kernel));
                const std::array<u64, 1> modules{100'000};
                const auto plan = plan_direct_boot(format, kernel, modules, "x", memory);
                if (!plan)
                    continue;
                ++accepted;
                const GuestMemoryMap map = GuestMemoryMap::create(memory).value();
                for (const ProgramPart& part : plan->program.parts) {
                    REQUIRE(part.size <= part.memory_size);
                    REQUIRE(part.offset + part.size <= kernel.size());
                    REQUIRE(map.is_ram(part.to, part.memory_size));
                    const bool below_module = part.to + part.memory_size <= plan->modules[0].start;
                    REQUIRE((below_module || part.to >= plan->modules[0].end()));
                }
                REQUIRE(map.is_ram(plan->modules[0].start, 100'000));
            }
        }
    }
    CHECK(accepted > 1000);
    for (std::size_t size = 0; size < good.size(); ++size) // cut off anywhere
        static_cast<void>(plan_direct_boot(format, std::span(good).first(size), {}, "x", memory));
}
