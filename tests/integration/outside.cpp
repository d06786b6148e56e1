// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "integration/outside.hpp"

#include <algorithm>
#include <fcntl.h>
#include <fstream>
#include <regex>
#include <set>
#include <sys/mman.h>
#include <unistd.h>

#include "arch/x86_64/layout.hpp"
#include "integration/bochs_debugger.hpp"
#include "integration/monitor.hpp"
#include "integration/page_roots.hpp"
#include "tools/failure.hpp"

namespace bulkhead::integration {
namespace {

constexpr u64 entries = 512;
constexpr u64 address_bits = 0x000f'ffff'ffff'f000;
// APM 2 5.4.1. Of an EPT's entry (SDM 3C 29.3.2) only `writable` and `large` are the same.
enum Bits : u64 { present = 1, writable = 2, user = 4, large = 0x80, no_execute = u64{1} << 63 };

struct Page {
    u64 virtual_address, physical, size;
    bool is_writable, is_executable, is_for_users;
};

struct Tables {
    std::vector<Page> pages; ///< that they map
    std::set<u64> frames;    ///< where they are themselves
};

/// A table of `level`, 4 to 1, and all below it. An entry with one of the bits `present_bits` is present.
void walk(std::span<const u8> memory, u64 table, u64 present_bits, unsigned level, u64 first, u64 rights,
          Tables& tables) {
    tables.frames.insert(table);
    const u64 size = page_size << 9 * (level - 1);
    for (u64 i = 0; i < entries; ++i) {
        const u64 entry = word_at(memory, table + 8 * i);
        if ((entry & present_bits) == 0)
            continue;
        // A right needs each level's consent, and no-execute only one.
        const u64 granted = (rights & entry & (writable | user)) | ((rights | entry) & no_execute);
        u64 address = first + i * size;
        if (level == 4 && i >= entries / 2)
            address |= 0xffff'0000'0000'0000; // canonical
        if (level > 1 && (entry & large) == 0)
            walk(memory, entry & address_bits, present_bits, level - 1, address, granted, tables);
        else
            tables.pages.push_back({address, entry & address_bits & ~(size - 1), size, (granted & writable) != 0,
                                    (granted & no_execute) == 0, (granted & user) != 0});
    }
}

Tables tables_at(std::span<const u8> memory, u64 root, u64 present_bits = present) {
    Tables tables;
    walk(memory, root, present_bits, 4, 0, writable | user, tables);
    return tables;
}

bool maps(const std::vector<Page>& pages, u64 address) {
    return std::ranges::any_of(pages, [&](const Page& page) {
        return address >= page.virtual_address && address - page.virtual_address < page.size;
    });
}

/// It is mapped, and the pages before and behind it are not.
bool is_guarded(const std::vector<Page>& pages, u64 stack, u64 size) {
    return maps(pages, stack) && maps(pages, stack + size - page_size) && !maps(pages, stack - page_size) &&
           !maps(pages, stack + size);
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

std::string describe_tables(const std::vector<Page>& pages, const std::vector<GuestRam>& guests) {
    const auto count = [&](auto which) { return std::to_string(std::ranges::count_if(pages, which)); };
    const bool guarded = is_guarded(pages, layout::per_cpu_stack, layout::per_cpu_stack_size) &&
                         is_guarded(pages, layout::per_cpu_fault_stack, layout::per_cpu_fault_stack_size);
    return "a CPU: " + std::to_string(pages.size()) + " pages, " +
           count([](const Page& page) { return page.is_executable; }) + " executable, " +
           count([](const Page& page) { return page.is_executable && page.is_writable; }) +
           " executable and writable, " + count([](const Page& page) { return page.is_for_users; }) +
           " for users; its stacks are " + (guarded ? "guarded" : "not guarded") +
           "; RAM of guests:" + guests_in(pages, guests);
}

/// Of what `pages` map, what is not RAM of the one guest: in bytes.
u64 foreign_bytes(const std::vector<Page>& pages, const std::vector<GuestRam>& guests, std::string_view guest) {
    u64 foreign = 0;
    for (const Page& page : pages) {
        foreign += page.size;
        for (const GuestRam& ram : guests)
            if (const u64 from = std::max(page.physical, ram.start),
                end = std::min(page.physical + page.size, ram.start + ram.size);
                ram.guest == guest && from < end)
                foreign -= end - from;
    }
    return foreign;
}

/// `own`: pages_of_hypervisor().
std::string describe_second_stage(const std::vector<Page>& pages, const std::vector<GuestRam>& guests,
                                  const std::set<u64>& own) {
    u64 stolen = 0, changeable = 0;
    for (const Page& page : pages) {
        const auto end = own.lower_bound(page.physical + page.size);
        const auto common = static_cast<u64>(std::distance(own.lower_bound(page.physical), end));
        stolen += common;
        changeable += page.is_writable ? common : 0;
    }
    const std::string mapped = guests_in(pages, guests);
    return "a second stage: " + std::to_string(pages.size()) + " pages, " + std::to_string(stolen) +
           " of the hypervisor's, " + std::to_string(changeable) + " writable; all but " +
           std::to_string(foreign_bytes(pages, guests, mapped.substr(1)) / KiB) +
           " KiB are its guest's RAM; RAM of guests:" + mapped;
}

/// Its image, objects and stacks, what the CPUs read and write for it, and all tables.
std::set<u64> pages_of_hypervisor(std::span<const u8> memory, const PageRoots& roots) {
    std::set<u64> own;
    for (const u64 root : roots.hosts) {
        Tables tables = tables_at(memory, root);
        own.merge(tables.frames);
        for (const Page& page : tables.pages)
            if (page.virtual_address >= layout::image)
                for (u64 at = 0; at < page.size; at += page_size)
                    own.insert(page.physical + at);
    }
    for (const u64 root : roots.second_stages)
        own.merge(tables_at(memory, root, roots.present_in_second_stage).frames);
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

void dump_from_qemu(const std::filesystem::path& dump, u64 size) {
    Monitor monitor(dump.parent_path());
    static_cast<void>(monitor.ask("stop"));
    static_cast<void>(monitor.ask("pmemsave 0 " + std::to_string(size) + " " + dump.filename().string()));
    static_cast<void>(monitor.ask("cont"));
}

/// Bochs writes what a CPU's linear addresses show. The second one, which is hidden and waits for its start-up IPI
/// (tools/bochs.cpp), has no paging: its linear addresses are the physical ones.
void dump_from_bochs(const std::filesystem::path& dump, u64 size) {
    stop_bochs(dump.parent_path());
    BochsDebugger bochs(dump.parent_path());
    bochs.ask("set $cpu = 1");
    bochs.ask("writemem \"" + dump.filename().string() + "\" 0 " + std::to_string(size));
}

} // namespace

std::vector<GuestRam> guest_ram_in(const std::vector<std::string>& lines) {
    const std::regex about("^guest ([^ :]+): CPUs? [^(]*\\([^)]*\\), (.*)$");
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

std::vector<std::string> describe_memory(std::span<const u8> memory, const PageRoots& roots,
                                         const std::vector<GuestRam>& guests) {
    std::vector<std::string> lines{"page tables of " + std::to_string(roots.hosts.size()) + " CPUs"};
    for (const u64 root : roots.hosts)
        lines.push_back(describe_tables(tables_at(memory, root).pages, guests));
    const std::set<u64> own = pages_of_hypervisor(memory, roots);
    lines.push_back("the hypervisor: " + std::to_string(own.size()) + " pages");
    for (const u64 root : roots.second_stages)
        lines.push_back(
            describe_second_stage(tables_at(memory, root, roots.present_in_second_stage).pages, guests, own));
    for (const GuestRam& ram : guests)
        lines.push_back("RAM of " + ram.guest + ": " + std::to_string(used_pages(memory, ram)) + " pages not zero");
    return lines;
}

void look_from_outside(tools::MachineKind machine, const std::filesystem::path& folder, const std::string& name,
                       unsigned memory_mib, const std::vector<std::string>& lines) {
    const bool is_bochs = machine == tools::MachineKind::BochsIntel;
    const std::filesystem::path dump = folder / (name + ".memory");
    (is_bochs ? dump_from_bochs : dump_from_qemu)(dump, u64{memory_mib} * MiB);
    const Mapping mapping(dump);
    const std::span<const u8> memory = mapping.bytes();
    if (memory.size() != u64{memory_mib} * MiB)
        throw tools::Failure("the emulator did not show all memory");
    std::ofstream file(folder / (name + ".outside"));
    const PageRoots roots = is_bochs ? roots_in_vmcss(memory) : roots_in_vmcbs(memory);
    for (const std::string& line : describe_memory(memory, roots, guest_ram_in(lines)))
        file << line << '\n';
    std::filesystem::remove(dump);
}

} // namespace bulkhead::integration
