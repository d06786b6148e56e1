// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "integration/outside.hpp"

#include <algorithm>
#include <cstring>
#include <fcntl.h>
#include <fstream>
#include <regex>
#include <set>
#include <sys/mman.h>
#include <unistd.h>

#include "arch/x86_64/layout.hpp"
#include "integration/monitor.hpp"
#include "tools/failure.hpp"

namespace bulkhead::integration {
namespace {

constexpr u64 entries = 512;
constexpr u64 address_bits = 0x000f'ffff'ffff'f000;
enum Bits : u64 { present = 1, writable = 2, user = 4, large = 0x80, no_execute = u64{1} << 63 }; // APM 2 5.4.1

u64 word_at(std::span<const u8> memory, u64 address) {
    u64 word = 0;
    if (address > memory.size() - sizeof word)
        throw tools::Failure("a page table is where there is no RAM");
    std::memcpy(&word, &memory[address], sizeof word);
    return word;
}

struct Page {
    u64 virtual_address, physical, size;
    bool is_writable, is_executable, is_for_users;
};

/// What a table of `level`, 4 to 1, and all below it map.
void walk(std::span<const u8> memory, u64 table, unsigned level, u64 first, u64 rights, std::vector<Page>& pages) {
    const u64 size = page_size << 9 * (level - 1);
    for (u64 i = 0; i < entries; ++i) {
        const u64 entry = word_at(memory, table + 8 * i);
        if ((entry & present) == 0)
            continue;
        // A right needs each level's consent, and no-execute only one.
        const u64 granted = (rights & entry & (writable | user)) | ((rights | entry) & no_execute);
        u64 address = first + i * size;
        if (level == 4 && i >= entries / 2)
            address |= 0xffff'0000'0000'0000; // canonical
        if (level > 1 && (entry & large) == 0)
            walk(memory, entry & address_bits, level - 1, address, granted, pages);
        else
            pages.push_back({address, entry & address_bits & ~(size - 1), size, (granted & writable) != 0,
                             (granted & no_execute) == 0, (granted & user) != 0});
    }
}

/// A CPU's page for the host's state, which QEMU's VMRUN fills as a VMCB's save area (APM 2 Appendix B): its RIP is the
/// hypervisor's, its RSP on the CPU's own stack.
bool is_host_save_area(std::span<const u8> memory, u64 page) {
    constexpr u64 rip = 0x578, rsp = 0x5d8;
    const u64 code = word_at(memory, page + rip), stack = word_at(memory, page + rsp);
    return code >= layout::image && code < layout::per_cpu && stack > layout::per_cpu_stack &&
           stack <= layout::per_cpu_stack + layout::per_cpu_stack_size;
}

std::set<u64> roots_in(std::span<const u8> memory) {
    constexpr u64 cr3 = 0x550;
    std::set<u64> roots;
    for (u64 page = 0; page + page_size <= memory.size(); page += page_size)
        if (is_host_save_area(memory, page))
            roots.insert(word_at(memory, page + cr3) & address_bits);
    return roots;
}

/// The second stages that VMCBs point to (APM 2 Appendix B): nested paging on, an ASID, SVME in the guest's EFER.
std::set<u64> second_stages_in(std::span<const u8> memory) {
    constexpr u64 asid = 0x58, nested_control = 0x90, nested_cr3 = 0xb0, efer = 0x4d0, svme = 1 << 12;
    std::set<u64> roots;
    for (u64 page = 0; page + page_size <= memory.size(); page += page_size) {
        const u64 root = word_at(memory, page + nested_cr3);
        if ((word_at(memory, page + asid) & 0xffff'ffff) != 0 && word_at(memory, page + nested_control) == 1 &&
            (word_at(memory, page + efer) & svme) != 0 && root != 0 && root % page_size == 0 && root < memory.size())
            roots.insert(root);
    }
    return roots;
}

bool maps(const std::vector<Page>& pages, u64 address) {
    return std::ranges::any_of(pages, [&](const Page& page) {
        return address >= page.virtual_address && address - page.virtual_address < page.size;
    });
}

std::string guests_in(const std::vector<Page>& pages, const std::vector<GuestRam>& guests) {
    std::set<std::string> names;
    for (const GuestRam& ram : guests)
        for (const Page& page : pages)
            if (page.physical < ram.start + ram.size && ram.start < page.physical + page.size)
                names.insert(ram.guest);
    std::string text;
    for (const std::string& name : names)
        text += ' ' + name;
    return text.empty() ? " none" : text;
}

std::string describe_tables(std::span<const u8> memory, u64 root, const std::vector<GuestRam>& guests) {
    std::vector<Page> pages;
    walk(memory, root, 4, 0, writable | user, pages);
    const auto count = [&](auto which) { return std::to_string(std::ranges::count_if(pages, which)); };
    const u64 stack = layout::per_cpu_stack, end = stack + layout::per_cpu_stack_size;
    const bool is_guarded =
        maps(pages, stack) && maps(pages, end - page_size) && !maps(pages, stack - page_size) && !maps(pages, end);
    return "a CPU: " + std::to_string(pages.size()) + " pages, " +
           count([](const Page& page) { return page.is_executable; }) + " executable, " +
           count([](const Page& page) { return page.is_executable && page.is_writable; }) +
           " executable and writable, " + count([](const Page& page) { return page.is_for_users; }) +
           " for users; its stack is " + (is_guarded ? "guarded" : "not guarded") +
           "; RAM of guests:" + guests_in(pages, guests);
}

/// `own`: the hypervisor's image, objects and stacks.
std::string describe_second_stage(std::span<const u8> memory, u64 root, const std::vector<GuestRam>& guests,
                                  const std::set<u64>& own) {
    std::vector<Page> pages;
    walk(memory, root, 4, 0, writable | user, pages);
    u64 stolen = 0, changeable = 0;
    for (const Page& page : pages) {
        const auto end = own.lower_bound(page.physical + page.size);
        const auto common = static_cast<u64>(std::distance(own.lower_bound(page.physical), end));
        stolen += common;
        changeable += page.is_writable ? common : 0;
    }
    return "a second stage: " + std::to_string(pages.size()) + " pages, " + std::to_string(stolen) +
           " of the hypervisor's, " + std::to_string(changeable) +
           " writable; RAM of guests:" + guests_in(pages, guests);
}

std::set<u64> pages_of_hypervisor(std::span<const u8> memory, const std::set<u64>& roots) {
    std::set<u64> own;
    for (const u64 root : roots) {
        std::vector<Page> pages;
        walk(memory, root, 4, 0, writable | user, pages);
        for (const Page& page : pages)
            if (page.virtual_address >= layout::image)
                for (u64 at = 0; at < page.size; at += page_size)
                    own.insert(page.physical + at);
    }
    return own;
}

u64 used_pages(std::span<const u8> memory, const GuestRam& ram) {
    u64 used = 0;
    for (u64 page = ram.start; page < ram.start + ram.size; page += page_size)
        used += std::ranges::any_of(memory.subspan(page, page_size), [](u8 byte) { return byte != 0; }) ? 1 : 0;
    return used;
}

/// A file in memory, read-only.
class Mapping {
public:
    explicit Mapping(const std::filesystem::path& file) : size_(std::filesystem::file_size(file)) {
        const tools::Descriptor descriptor(::open(file.c_str(), O_RDONLY | O_CLOEXEC));
        bytes_ = ::mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, descriptor.get(), 0);
        if (bytes_ == MAP_FAILED)
            throw tools::Failure("cannot read " + file.string());
    }
    Mapping(const Mapping&) = delete;
    Mapping& operator=(const Mapping&) = delete;
    ~Mapping() { ::munmap(bytes_, size_); }
    [[nodiscard]] std::span<const u8> bytes() const { return {static_cast<const u8*>(bytes_), size_}; }

private:
    std::size_t size_;
    void* bytes_;
};

} // namespace

std::vector<GuestRam> guest_ram_in(const std::vector<std::string>& lines) {
    const std::regex about("^bulkhead: guest ([^ :]+): CPUs? [^;]*; (.*)$");
    const std::regex chunk("(\\d+) (KiB|MiB|GiB) at (0x[0-9a-f]+)");
    std::vector<GuestRam> all;
    for (const std::string& line : lines) {
        std::smatch match;
        if (!std::regex_match(line, match, about))
            continue;
        const std::string guest = match[1], memory = match[2];
        for (std::sregex_iterator each(memory.begin(), memory.end(), chunk), none; each != none; ++each) {
            const std::string unit = (*each)[2];
            all.push_back({guest, std::stoull((*each)[3], nullptr, 16),
                           std::stoull((*each)[1]) * (unit == "KiB"   ? KiB
                                                      : unit == "MiB" ? MiB
                                                                      : GiB)});
        }
    }
    return all;
}

std::vector<std::string> describe_memory(std::span<const u8> memory, const std::vector<GuestRam>& guests) {
    const std::set<u64> roots = roots_in(memory);
    std::vector<std::string> lines{"page tables of " + std::to_string(roots.size()) + " CPUs"};
    for (const u64 root : roots)
        lines.push_back(describe_tables(memory, root, guests));
    const std::set<u64> own = pages_of_hypervisor(memory, roots);
    lines.push_back("the hypervisor: " + std::to_string(own.size()) + " pages");
    for (const u64 root : second_stages_in(memory))
        lines.push_back(describe_second_stage(memory, root, guests, own));
    for (const GuestRam& ram : guests)
        lines.push_back("RAM of " + ram.guest + ": " + std::to_string(used_pages(memory, ram)) + " pages not zero");
    return lines;
}

void look_from_outside(const std::filesystem::path& folder, const std::string& name, unsigned memory_mib,
                       const std::vector<std::string>& lines) {
    const std::filesystem::path dump = folder / (name + ".memory");
    Monitor monitor(folder);
    static_cast<void>(monitor.ask("stop"));
    static_cast<void>(
        monitor.ask("pmemsave 0 " + std::to_string(u64{memory_mib} * MiB) + " " + dump.filename().string()));
    static_cast<void>(monitor.ask("cont"));
    std::ofstream file(folder / (name + ".outside"));
    for (const std::string& line : describe_memory(Mapping(dump).bytes(), guest_ram_in(lines)))
        file << line << '\n';
    std::filesystem::remove(dump);
}

} // namespace bulkhead::integration
