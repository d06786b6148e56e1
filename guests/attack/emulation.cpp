// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include <array>
#include <cstring>

#include "guests/attack/attack.hpp"
#include "guests/attack/prefixes.hpp"
#include "guests/attack/windows.hpp"
#include "guests/lib/apic.hpp"
#include "guests/lib/vcpus.hpp"

// What the hypervisor does in a guest's place, made as hard for it as can be: instructions of any length and over the
// end of memory, code and page tables that another vCPU changes meanwhile, hypercalls that mean nothing, and storms.
namespace bulkhead::guest {

constexpr std::string_view name = GUEST_NAME;

namespace {

using namespace attack;

constexpr u64 device = 0xfed00000; // absent: reads give ones

alignas(4096) u8 page[2 * 4096];

void try_hypercalls(Group& group) {
    constexpr u64 marked = 0x5a5a5a5a5a5a5a5a;
    constexpr auto pointers =
        std::to_array<u64>({0, 1, device, 0xffffffff80000000, 0xffffc00000000000, 0x8000000000000000,
                            0x0000800000000000, 0xffffffffc0000000, ~u64{0} - 7, ~u64{0}});
    std::memset(page, 0x5a, sizeof page);
    const auto call = [&](u64 number) {
        for (const u64 pointer : pointers)
            for (const u64 other : {pointer, reinterpret_cast<u64>(page)}) {
                u64 answer = 0;
                const Frame frame = attempt([&] { answer = hypercall(number, other, pointer, other); });
                const bool is_known = number == hypercall_life || number == hypercall_exit_count;
                group.expect(frame.vector == returned && (is_known || answer == not_implemented), "hypercall ",
                             Hex{number}, " answers ", Hex{answer});
            }
        const Frame user =
            run_code(is_intel() ? std::array<u8, 3>{0x0f, 0x01, 0xc1} : std::array<u8, 3>{0x0f, 0x01, 0xd9},
                     Mode::user64, {.rbx = reinterpret_cast<u64>(page), .rax = number});
        group.judge(user, undefined, "hypercall ", Hex{number}, " of a process");
    };
    for (u64 number = 0; number < 64; ++number) {
        call(number);
        call(0x424b0000 + number);
        call(u64{1} << number);
        call(~(u64{1} << number));
        call(0x424b0001 | u64{1} << number);
    }
    bool whole = true;
    for (u64 i = 0; i < sizeof page; i += 8)
        whole = whole && at<u64>(reinterpret_cast<u64>(page) + i) == marked;
    group.expect(whole, "memory that hypercalls were shown");
}

/// An instruction has 15 bytes at most (SDM 2A 2.3.11), whoever executes it.
void try_prefixes(Group& group) {
    struct Kind {
        std::string_view what;
        u8 bytes[2];
        Ends shorter; ///< up to 15 bytes
    };
    // Each with prefixes that mean nothing to it; some CPUs know 66 before CPUID and RDMSR as another instruction.
    constexpr Kind kinds[] = {
        {"MOV from a device", {0x8b, 0x03}, ignored},  {"MOV to a device", {0x89, 0x03}, ignored},
        {"XOR to a device", {0x31, 0x03}, ignored},    {"STOSB to a device", {0xaa, 0x90}, ignored},
        {"CPUID", {0x0f, 0xa2}, ignored | undefined},  {"RDMSR", {0x0f, 0x32}, ignored | undefined | refused},
        {"WBINVD", {0x0f, 0x09}, ignored | undefined}, {"IN", {0xec, 0x90}, ignored}};
    for (const Kind& kind : kinds)
        for (const u8 prefix : {u8{0x2e}, u8{0x3e}, u8{0x65}, u8{0x66}, u8{0x67}})
            for (const Mode mode : {Mode::kernel64, Mode::kernel32})
                for (u64 count = 0; count < 20; ++count) {
                    if (prefix == 0x65 && mode == Mode::kernel32)
                        continue; // GS is null there
                    u8 bytes[32];
                    std::memset(bytes, prefix, count);
                    std::memcpy(bytes + count, kind.bytes, 2);
                    const u64 length = count + (kind.bytes[1] == 0x90 ? 1 : 2);
                    const Frame frame = run_code(std::span(bytes, count + 2), mode,
                                                 {.rdi = device, .rdx = 0x80, .rcx = 0x10, .rbx = device, .rax = 0});
                    // By way of CS nothing can be written, but in 64-bit mode.
                    const Ends by_segment = prefix == 0x2e && mode == Mode::kernel32 ? refused : Ends{0};
                    group.judge(frame, length > 15 ? refused | undefined : kind.shorter | by_segment, kind.what, ", ",
                                count, " x ", Hex{prefix});
                }
}

/// Begins so many bytes before the end of a page; what is behind that is `second`, an entry of the page table.
Frame run_over_end(std::span<const u8> code, u64 bytes_before, u64 second) {
    std::memcpy(page + 4096 - bytes_before, code.data(), code.size());
    const u64 seen = show(reinterpret_cast<u64>(page), PageSize::small);
    tables.pages[1] = second;
    flush();
    return attempt([=] {
        asm volatile("call *%0" : : "r"(seen + 4096 - bytes_before), "b"(device), "d"(0x80) : "rax", "memory");
    });
}

constexpr u8 long_access[] = {0x8b, 0x83, 0, 0, 0, 0, 0xc3};           // MOV EAX, [RBX + 0]; RET
constexpr u8 long_port[] = {0x66, 0x66, 0x66, 0x66, 0x66, 0xed, 0xc3}; // IN AX, DX

void try_page_ends(Group& group) {
    for (const std::span<const u8> code : {std::span<const u8>(long_access), std::span<const u8>(long_port)})
        for (u64 before = 1; before < 6; ++before) {
            const Frame gone = run_over_end(code, before, 0);
            group.expect(gone.vector == page_fault && read_cr2() == window + 4096, "second half not there, after ",
                         before, ": vector ", gone.vector, " CR2 ", Hex{read_cr2()});
            const u64 next = reinterpret_cast<u64>(page + 4096) | rights;
            group.judge(run_over_end(code, before, next), ignored, "second half there, after ", before);
        }
}

volatile u64 stage, acknowledged;
constexpr u64 rounds = 2000;

/// vCPU 1: until the stage is over, it changes what vCPU 0 has an emulated access by.
[[noreturn]] void disturb(u32) {
    constexpr u16 accesses[] = {0x038b, 0x0388, 0x0389, 0x038a, 0x0331, 0x030b}; // MOV, MOV, MOV, MOV, XOR, OR: [RBX]
    const u64 ram = reinterpret_cast<u64>(page) | rights;
    sti();
    for (u64 i = 0;; ++i) {
        const u64 now = stage;
        if (now == 1)
            at<u16>(reinterpret_cast<u64>(page)) = accesses[i % std::size(accesses)];
        if (now == 2 || now == 3)
            tables.pages[0] = i % 3 == 0 ? device | rights : i % 3 == 1 ? ram : now == 2 ? 0 : device + 0x1000 + rights;
        if (now == 4)
            tables.directory[0] = i % 2 == 0 ? reinterpret_cast<u64>(tables.pages) | rights : 0;
        const u64 last = now == 5 ? ram : device | rights; // a kernel's code in a device stops its guest
        const u64 places[] = {ram, ram + 4096, 0, last};
        if (now >= 5)
            tables.pages[0] = places[i % std::size(places)];
        acknowledged = now;
    }
}

void go_to(u64 next) {
    stage = next;
    while (acknowledged != next)
        pause();
}

/// On another vCPU: code that changes under its own access, then translations.
void try_races(Group& group) {
    constexpr u8 initial[] = {0x8b, 0x03, 0xc3};
    std::memcpy(page, initial, sizeof initial);
    const u64 code = reinterpret_cast<u64>(page);
    go_to(1);
    for (u64 i = 0; i < rounds; ++i)
        group.attempt(
            ignored, [=] { asm volatile("call *%0"
                                        :
                                        : "r"(code), "b"(device)
                                        : "rax", "memory"); }, "changing code");
    go_to(0);
    std::memset(page, 0, sizeof page);
    const u64 seen = show(device, PageSize::small);
    tables.pages[1] = device | rights;
    for (u64 each = 2; each <= 4; ++each) {
        go_to(each);
        for (u64 i = 0; i < rounds; ++i) {
            group.attempt(
                ignored | page_faulted,
                [=] {
                    asm volatile("invlpg (%0); movl (%0), %%eax; xorl %%eax, (%0)" : : "r"(seen) : "eax", "memory");
                },
                "changing translation");
            group.attempt(
                ignored | page_faulted,
                [=] {
                    u64 to = seen, from = reinterpret_cast<u64>(page + 4096), count = 16;
                    asm volatile("invlpg (%0); rep stosl" : "+D"(to), "+c"(count) : "a"(0) : "memory");
                    to = seen, count = 16;
                    asm volatile("invlpg (%0); rep movsl" : "+D"(to), "+S"(from), "+c"(count) : : "memory");
                },
                "changing translation, strings");
        }
        go_to(0);
        flush();
    }
}

/// The page that the access itself is in, also a process' and in a device, and that of what strings of ports read and
/// write.
void try_moving_pages(Group& group) {
    constexpr u8 codes[][2][3] = {{{0x8b, 0x03, 0xc3}, {0x31, 0x03, 0xc3}},  // MOV and XOR, of a device
                                  {{0x0f, 0xa2, 0xc3}, {0x0f, 0xa2, 0xc3}}}; // CPUID
    const u64 seen = show(reinterpret_cast<u64>(page), PageSize::small);
    for (const auto& [first, second] : codes) {
        std::memcpy(page, first, sizeof first);
        std::memcpy(page + 4096, second, sizeof second);
        go_to(5);
        for (u64 i = 0; i < rounds; ++i)
            group.attempt(
                ignored | page_faulted,
                [=] {
                    u64 rbx = device;
                    asm volatile("invlpg (%1); call *%1" : "+b"(rbx) : "r"(seen) : "rax", "rcx", "rdx", "memory");
                },
                "moving code ", Hex{first[0]});
        go_to(0);
    }
    std::memset(page, 0, sizeof page);
    constexpr u64 length = 16;
    go_to(6);
    for (u64 i = 0; i < rounds; ++i)
        group.attempt(
            ignored | page_faulted,
            [=] {
                u64 to = seen, from = seen, count = length;
                asm volatile("invlpg (%0); rep insb" : "+D"(to), "+c"(count) : "d"(0x80) : "memory");
                count = length;
                asm volatile("invlpg (%0); rep outsb" : "+S"(from), "+c"(count) : "d"(0x80) : "memory");
            },
            "moving buffer of a port");
    go_to(0);
    bool whole = true;
    for (u64 i = length; i < 2 * 4096; ++i)
        whole = whole && (page[i] == 0 || (i >= 4096 && i < 4096 + length));
    group.expect(whole, "memory beside a moving buffer");
    for (u64 i = 0; i < 2; ++i)
        std::memcpy(page + i * 4096, std::array<u8, 4>{0x0f, 0xa2, 0xcd, returned}.data(), 4); // CPUID; INT
    go_to(7);
    for (u64 i = 0; i < rounds; ++i) {
        flush();
        group.judge(run_code({0xff, 0xe3}, Mode::user64, {.rbx = seen}), ignored | page_faulted | undefined,
                    "moving code of a process"); // JMP RBX
    }
    go_to(0);
}

volatile u64 nmis, interrupts;

/// As fast as they can be sent, to itself and to the other.
void try_storms(Group& group) {
    set_handler(nmi, [](Frame&) { nmis = nmis + 1; });
    set_handler(0x50, [](Frame&) {
        interrupts = interrupts + 1;
        end_of_interrupt();
    });
    for (u64 i = 0; i < rounds; ++i)
        for (const u32 target : {0u, 1u}) {
            group.attempt(ignored, [=] { wrmsr(x2apic_icr, icr_to(target) | icr_nmi); }, "NMI to ", target);
            group.attempt(ignored, [=] { wrmsr(x2apic_icr, icr_to(target) | 0x50); }, "interrupt to ", target);
        }
    sti();
    for (u64 i = 0; i < rounds; ++i)
        wrmsr(x2apic_self_ipi, 0x50);
    cli();
    group.expect(nmis > 0 && interrupts > 0, "some have come");
    for (u64 vector = 0; vector < 256; ++vector)
        if (vector != returned) { // INT n is not the exception: it brings no error code
            const u8 code[] = {0xcd, static_cast<u8>(vector)};
            group.judge(run_code(code, Mode::user64), refused | end_of(vector), "INT ", vector, " of a process");
        }
}

volatile u64 machine_checks;

/// What looks like a machine check, and is none: INT 18, an interrupt with that vector, and the registers of banks.
void try_machine_checks(Group& group) {
    constexpr u8 vector = 18;
    set_handler(vector, [](Frame&) {
        machine_checks = machine_checks + 1;
        end_of_interrupt();
    });
    for (u64 i = 0; i < rounds; ++i) {
        group.judge(run_code({0xcd, vector}, Mode::kernel64), end_of(vector), "INT 18");
        const u64 before = machine_checks;
        wrmsr(x2apic_icr, icr_to(i & 1) | vector);
        sti();
        for (const u64 end = rdtsc() + tsc_hz(); machine_checks == before && rdtsc() < end;)
            pause();
        cli();
        group.expect(machine_checks == before + 1, "interrupt 18 to ", i & 1, ": ", machine_checks - before);
        const u32 of_all = 0x179 + static_cast<u32>(i % 3), of_bank = 0x400 + static_cast<u32>(i % 128);
        group.attempt(ignored, [=] { wrmsr(of_all, ~i); }, "MSR ", Hex{of_all});
        group.expect(rdmsr(of_all) == 0, "MSR ", Hex{of_all}, " keeps nothing");
        group.attempt(refused, [=] { wrmsr(of_bank, ~i); }, "MSR ", Hex{of_bank});
        group.attempt(refused, [=] { wrmsr(0xc0002000 + of_bank, ~i); }, "MSR C0002000h + ", Hex{of_bank});
    }
    write_cr4(read_cr4() | 1 << 6); // MCE, for what it is worth
    group.judge(run_code({0xcd, vector}, Mode::kernel64), end_of(vector), "INT 18 with CR4.MCE");
}

constexpr std::string_view fatal_names[] = {"code that goes on in a device", "code that goes on where no memory is",
                                            "a port's access that goes on in a device"};

void commit(u64 index) {
    print("attack: ", index, ": ", fatal_names[index]);
    const u64 nowhere = index == 1 ? 1 * GiB : device;
    if (index == 2)
        run_over_end(long_port, 3, nowhere | rights);
    else
        run_over_end(long_access, 3, nowhere | rights);
}

} // namespace

void run() {
    enable_apic();
    if (life() == 1) {
        {
            Group group("hypercalls");
            try_hypercalls(group);
        }
        {
            Group group("emulated accesses");
            try_prefixes(group);
            try_combinations(group, device, reinterpret_cast<u64>(page));
            try_page_ends(group);
            StartState found;
            check(start_vcpu(1, disturb, found), "vCPU 1 does not start");
            try_races(group);
            try_moving_pages(group);
        }
        {
            Group group("storms");
            try_storms(group);
        }
        Group group("machine checks");
        try_machine_checks(group);
    }
    stop_by_each("code over an edge", std::size(fatal_names), commit);
}

} // namespace bulkhead::guest
