// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include <array>
#include <cstring>

#include "arch/x86_64/layout.hpp"
#include "devices/platform.hpp"
#include "guests/attack/attack.hpp"
#include "guests/attack/debug_registers.hpp"
#include "guests/lib/devices.hpp"

// Breakpoints of every kind where they might hit somebody else: on the hypervisor's addresses while it works for the
// guest, on what it emulates, and on the guest's own way to take them. DR0 to DR3 are never switched, so it is DR7
// alone that keeps them out of the hypervisor.
namespace bulkhead::guest {

constexpr std::string_view name = GUEST_NAME;

extern "C" u64 gdt[];
extern "C" const u8 trap_stubs[]; // traps.S: 16 bytes each

namespace {

using namespace attack;

constexpr u64 cr4_de = 1 << 3;
constexpr u64 sizes[] = {1, 2, 4, 8};
constexpr Break kinds[] = {Break::execution, Break::write, Break::port, Break::access};
constexpr std::string_view kind_names[] = {"execution", "write", "port", "access"};
constexpr u16 no_port = 0x80;

alignas(64) u64 data[8];

/// Whatever the hypervisor does here is done with the guest's DR0 to DR3 in the CPU.
void exit_in_many_ways() {
    cpuid(0);
    touch<u32>(io_apic_window);
    static_cast<void>(in8(no_port));
    static_cast<void>(rdmsr(x2apic_id));
    hypercall(not_implemented);
    u64 from = reinterpret_cast<u64>(data), count = 4;
    asm volatile("rep outsb" : "+S"(from), "+c"(count) : "d"(no_port) : "memory");
    asm volatile("wbinvd");
}

/// Four breakpoints, many exits, and each register is what was written.
void try_values(Group& group, const std::array<u64, 4>& addresses, u64 dr7) {
    for (unsigned i = 0; i < 4; ++i)
        write_breakpoint(i, addresses[i]);
    const Frame frame = attempt([=] {
        write_debug<7>(dr7);
        exit_in_many_ways();
    });
    bool same = read_debug<7>() == (dr7 | dr7_reset) && read_debug<6>() == dr6_reset;
    for (unsigned i = 0; i < 4; ++i)
        same = same && read_breakpoint(i) == addresses[i];
    group.expect(frame.vector == returned && same, "DR7 ", Hex{dr7}, " at ", Hex{addresses[0]}, ": vector ",
                 frame.vector, " DR6 ", Hex{read_debug<6>()}, " DR7 ", Hex{read_debug<7>()});
    clear_breakpoints();
}

void try_foreign(Group& group) {
    const u64 own = reinterpret_cast<u64>(data);
    const auto foreign =
        std::to_array<u64>({layout::image, layout::image + 0x1000, layout::image + 0x10000, layout::per_cpu_data,
                            layout::per_cpu_vendor, layout::per_cpu_stack, layout::per_cpu_fault_stack,
                            layout::per_cpu_frames, layout::handoff, layout::shared, layout::mmio + 0xfee00000,
                            layout::guest_ram + own, layout::pristine, layout::second_stage, 0x800000000000, ~u64{7}});
    for (const u64 address : foreign)
        for (const Break kind : kinds)
            for (const u64 size : sizes)
                for (const u64 enable : {local, global, local | global}) {
                    u64 dr7 = 0;
                    for (unsigned i = 0; i < 4; ++i)
                        dr7 |= dr7_for(i, kind, size, enable);
                    try_values(group, {address, address + 8, address + 16, address + 24}, dr7);
                }
    // Every word that an exit is likely to touch, and every line of the code that it is likely to run.
    const auto sweep = [&](u64 first, u64 end, Break kind, u64 size, u64 step) {
        u64 dr7 = 0;
        for (unsigned i = 0; i < 4; ++i)
            dr7 |= dr7_for(i, kind, size, global);
        for (u64 at = first; at < end; at += 4 * step)
            try_values(group, {at, at + step, at + 2 * step, at + 3 * step}, dr7);
    };
    constexpr u64 stack_end = layout::per_cpu_stack + layout::per_cpu_stack_size;
    sweep(stack_end - 2 * KiB, stack_end, Break::access, 8, 8);
    sweep(layout::per_cpu_data, layout::per_cpu_data + 1 * KiB, Break::access, 8, 8);
    sweep(layout::per_cpu_vendor, layout::per_cpu_vendor + 256, Break::access, 8, 8);
    sweep(layout::image, layout::image + 4 * KiB, Break::execution, 1, 4);
}

/// What the guest's own breakpoints are for, with the exits around them.
void try_own(Group& group) {
    const u64 watched = reinterpret_cast<u64>(data);
    for (unsigned i = 0; i < 4; ++i)
        for (const u64 enable : {local, global}) {
            for (const u64 size : sizes)
                for (const Break kind : {Break::write, Break::access})
                    for (const u8 opcode : {u8{0x88}, u8{0x8a}}) { // MOV [RBX], AL; MOV AL, [RBX]
                        write_breakpoint(i, watched);
                        write_debug<7>(dr7_for(i, kind, size, enable));
                        const u64 last = watched + size - 1;
                        const Frame frame =
                            run_code({0x0f, 0xa2, 0x48, 0x89, 0xfb, opcode, 0x03, 0x90}, Mode::kernel64, {.rdi = last});
                        const bool hits = opcode == 0x88 || kind == Break::access;
                        const u64 dr6 = read_debug<6>();
                        group.expect(hits ? frame.vector == debug_exception && frame.rip == code_address(7) &&
                                                (dr6 & 0xf) == u64{1} << i
                                          : frame.vector == returned && dr6 == dr6_reset,
                                     kind_names[static_cast<u64>(kind)], " of ", size, " in DR", i, " by ",
                                     Hex{opcode}, ": vector ", frame.vector, " after ", frame.rip - code_address(),
                                     " DR6 ", Hex{dr6});
                        clear_breakpoints();
                    }
            write_breakpoint(i, code_address(2));
            write_debug<7>(dr7_for(i, Break::execution, 1, enable));
            const Frame frame = run_code({0x0f, 0xa2, 0x90, 0x90}, Mode::kernel64);
            group.expect(frame.vector == debug_exception && frame.rip == code_address(2) &&
                             (read_debug<6>() & 0xf) == u64{1} << i,
                         "execution, DR", i, ": vector ", frame.vector, " DR6 ", Hex{read_debug<6>()});
            clear_breakpoints();
        }
}

/// Instructions that the hypervisor carries out.
struct Emulated {
    std::string_view what;
    std::array<u8, 4> bytes;
    u8 size;
};
constexpr Emulated emulated[] = {
    {"CPUID", {0x0f, 0xa2}, 2},
    {"RDMSR", {0x0f, 0x32}, 2},
    {"WRMSR", {0x0f, 0x30}, 2},
    {"IN", {0xec}, 1},
    {"OUT", {0xee}, 1},
    {"INS", {0x6c}, 1},
    {"REP INS", {0xf3, 0x6c}, 2},
    {"OUTS", {0x6e}, 1},
    {"REP OUTS", {0xf3, 0x6e}, 2},
    {"MOV from the I/O APIC", {0x8b, 0x03}, 2},
    {"MOV to the I/O APIC", {0x89, 0x03}, 2},
    {"OR to the I/O APIC", {0x09, 0x03}, 2},
    {"WBINVD", {0x0f, 0x09}, 2},
    {"INVD", {0x0f, 0x08}, 2},
    {"MOV to CR4", {0x0f, 0x22, 0xe5}, 3},
    {"MOV to CR0", {0x41, 0x0f, 0x22, 0xc0}, 4},
};

Frame run_emulated(const Emulated& row, u64 flags = 2) {
    const bool is_wrmsr = row.bytes[1] == 0x30;
    std::array<u8, 6> code{};
    std::memcpy(code.data(), row.bytes.data(), row.size);
    code[row.size] = 0x90;
    return run_code(std::span(code).first(row.size + 1u), Mode::kernel64,
                    {.r8 = read_cr0(),
                     .rbp = read_cr4() ^ 0x40, // MCE, so that it exits on VT-x
                     .rdi = reinterpret_cast<u64>(data),
                     .rsi = reinterpret_cast<u64>(data),
                     .rdx = is_wrmsr ? u64{0} : no_port,
                     .rcx = row.bytes[1] == 0x32 || is_wrmsr ? u64{x2apic_lvt_lint0} : 3,
                     .rbx = io_apic_window,
                     .rax = is_wrmsr ? lvt_masked : 0,
                     .rflags = flags});
}

void try_emulated(Group& group) {
    at<u32>(io_apic_select) = 0; // the ID: a write does no harm
    wrmsr(x2apic_lvt_lint0, lvt_masked);
    for (const Emulated& row : emulated) {
        const u64 before = read_cr4();
        for (const bool resumes : {false, true})
            for (const bool behind : {false, true}) {
                write_breakpoint(0, code_address());
                write_breakpoint(1, code_address(row.size));
                write_debug<7>(dr7_for(0, Break::execution, 1) | (behind ? dr7_for(1, Break::execution, 1) : 0));
                const Frame frame = run_emulated(row, resumes ? resume_flag | 2 : 2);
                const u64 dr6 = read_debug<6>();
                const u64 stop = !resumes ? 0 : row.size;
                group.expect(resumes && !behind ? frame.vector == returned && dr6 == dr6_reset
                                         : frame.vector == debug_exception && frame.rip == code_address(stop) &&
                                               (dr6 & 3) == (stop == 0 ? 1u : 2u),
                             "execution at ", row.what, resumes ? ", RF" : "", ": vector ", frame.vector, " after ",
                             frame.rip - code_address(), " DR6 ", Hex{dr6}, " RFLAGS ", Hex{frame.rflags});
                clear_breakpoints();
                write_cr4(before);
            }
        // Its operand. What the CPU does not do, no breakpoint sees.
        for (const Break kind : {Break::write, Break::port, Break::access})
            for (const u64 size : sizes) {
                if (kind == Break::port && size == 8)
                    continue;
                const u64 operand = row.bytes[1] == 0x03 ? io_apic_window : reinterpret_cast<u64>(data);
                write_breakpoint(2, kind == Break::port ? no_port : operand);
                write_debug<7>(dr7_for(2, kind, size));
                const Frame frame = run_emulated(row);
                const u64 dr6 = read_debug<6>();
                group.expect(frame.vector == returned && dr6 == dr6_reset, kind_names[static_cast<u64>(kind)], " of ",
                             size, " at ", row.what, "'s operand: vector ", frame.vector, " after ",
                             frame.rip - code_address(), " DR6 ", Hex{dr6});
                clear_breakpoints();
                write_cr4(before);
            }
    }
}

/// General detect: each access to a debug register is #DB, and ends it.
void try_general_detect(Group& group) {
    for (u32 number = 0; number < 8; ++number)
        for (const u8 opcode : {u8{0x21}, u8{0x23}}) {
            if (number == 4 || number == 5)
                continue; // #UD with CR4.DE
            write_debug<7>(dr7_gd);
            const Frame frame =
                run_code({0x0f, 0xa2, 0x0f, opcode, static_cast<u8>(0xc7 | number << 3)}, Mode::kernel64);
            const u64 dr6 = read_debug<6>();
            const u64 dr7 = read_debug<7>();
            group.expect(frame.vector == debug_exception && frame.rip == code_address(2) && (dr6 & dr6_bd) != 0 &&
                             dr7 == dr7_reset,
                         "GD, ", Hex{opcode}, " DR", number, ": vector ", frame.vector, " DR6 ", Hex{dr6}, " DR7 ",
                         Hex{dr7});
            clear_breakpoints();
        }
}

void try_upper_bits(Group& group) {
    for (unsigned bit = 32; bit < 64; ++bit) {
        group.attempt(refused, [=] { write_debug<6>(dr6_reset | u64{1} << bit); }, "DR6, bit ", bit);
        group.attempt(refused, [=] { write_debug<7>(dr7_reset | u64{1} << bit); }, "DR7, bit ", bit);
    }
    group.attempt(undefined, [] { read_debug<4>(); }, "DR4 with CR4.DE");
    group.attempt(undefined, [] { write_debug<5>(0); }, "DR5 with CR4.DE");
    write_cr4(read_cr4() & ~cr4_de);
    group.expect(read_debug<4>() == read_debug<6>() && read_debug<5>() == read_debug<7>(), "DR4 and DR5");
    write_cr4(read_cr4() | cr4_de);
    group.expect(read_debug<6>() == dr6_reset && read_debug<7>() == dr7_reset, "DR6 and DR7 are what they were");
}

volatile u64 hits;
constexpr u64 enough = 2000;

/// The handler goes back to where the breakpoint is, without RF: the same one again.
void try_loop(Group& group) {
    hits = 0;
    set_handler(debug_exception, [](Frame& frame) {
        hits = hits + 1;
        if (hits < enough)
            frame.rflags &= ~resume_flag;
        else
            frame.rflags |= resume_flag;
    });
    u64 eax = 0, ecx = 0;
    asm volatile("leaq 1f(%%rip), %%rax; movq %%rax, %%dr0; movl $1, %%eax; movq %%rax, %%dr7; xorl %%eax, %%eax\n"
                 "1: cpuid; xorl %%ebx, %%ebx; movq %%rbx, %%dr7"
                 : "+a"(eax), "+c"(ecx)
                 :
                 : "rbx", "rdx", "memory");
    set_handler(debug_exception, nullptr);
    group.expect(hits == enough && eax != 0, "a loop without RF: ", u64{hits}, " times");
    group.add(enough - 1);
    clear_breakpoints();
}

/// MOV SS holds back the breakpoint of its own operand: what follows exits, or raises another exception, with it due
/// (CVE-2018-8897; SDM 3A 6.8.3).
void try_behind_mov_ss(Group& group) {
    data[0] = KERNEL_DATA;
    const auto behind = [&](std::string_view what, std::initializer_list<u8> bytes) {
        std::array<u8, 8> code{0x8e, 0x16}; // MOV SS, [RSI]
        std::copy(bytes.begin(), bytes.end(), code.begin() + 2);
        for (const u64 flags : {u64{2}, trap_flag | 2}) {
            write_breakpoint(3, reinterpret_cast<u64>(data));
            write_debug<7>(dr7_for(3, Break::access, 2));
            const u64 before = read_cr4();
            const Frame frame = run_code(std::span(code).first(2 + bytes.size()), Mode::kernel64,
                                         {.r8 = read_cr0(),
                                          .rbp = before ^ 0x40,
                                          .rsi = reinterpret_cast<u64>(data),
                                          .rdx = no_port,
                                          .rcx = x2apic_id,
                                          .rbx = io_apic_window,
                                          .rax = 0,
                                          .rflags = flags});
            const bool may_be_other = bytes.begin()[0] == 0xcc || bytes.begin()[0] == 0xcd;
            group.judge(frame, debugged | (may_be_other ? end_of(breakpoint) | ignored : 0), "MOV SS; ", what,
                        ", RFLAGS ", Hex{flags});
            clear_breakpoints();
            write_cr4(before);
        }
    };
    behind("NOP", {0x90});
    behind("CPUID", {0x0f, 0xa2});
    behind("RDMSR", {0x0f, 0x32});
    behind("IN", {0xec});
    behind("MOV from the I/O APIC", {0x8b, 0x03});
    behind("WBINVD", {0x0f, 0x09});
    behind("hypercall", {0x0f, 0x01, is_intel() ? u8{0xc1} : u8{0xd9}});
    behind("MOV to CR4", {0x0f, 0x22, 0xe5});
    behind("MOV to CR0", {0x41, 0x0f, 0x22, 0xc0});
    behind("INT1", {0xf1});
    behind("INT3", {0xcc});
    behind("INT 81h", {0xcd, static_cast<u8>(returned)});
    behind("MOV SS", {0x8e, 0x16});
}

struct [[gnu::packed]] TablePointer {
    u16 limit;
    u64 base;
};

/// What has no end: a breakpoint on the first instruction of its own handler, which has a stack of its own, so that
/// nothing runs over. Only the watchdog ends it.
constexpr std::string_view fatal_names[] = {"a breakpoint on its own handler", "the same with TF",
                                            "a breakpoint on the stack that its own exception is pushed to"};
/// The last one ends QEMU, which fails an assertion.
u64 fatal_count() { return is_intel() ? std::size(fatal_names) : std::size(fatal_names) - 1; }

void commit(u64 index) {
    print("attack: ", index, ": ", fatal_names[index]);
    TablePointer gates{};
    asm volatile("sidt %0" : "=m"(gates));
    const u64 task = gdt[TASK_STATE / 8], task_base = (task >> 16 & 0xffffff) | (task >> 56) << 24;
    alignas(16) static u8 stack[4096];
    at<u64>(task_base + 36) = reinterpret_cast<u64>(stack + sizeof stack); // IST 1
    at<u8>(gates.base + 16 * debug_exception + 4) = 1;
    out32(platform::watchdog_timeout_port, 200);
    out32(platform::watchdog_control_port, 1);
    for (unsigned i = 0; i < 4; ++i)
        write_breakpoint(i, reinterpret_cast<u64>(trap_stubs + 16 * debug_exception));
    if (index == 2) {
        write_breakpoint(2, reinterpret_cast<u64>(stack + sizeof stack - 8));
        write_debug<7>(dr7_for(2, Break::write, 8));
    } else {
        write_debug<7>(dr7_for(0, Break::execution, 1, global) | dr7_for(3, Break::execution, 1));
    }
    if (index == 1)
        asm volatile("pushfq; orl $0x100, (%%rsp); popfq; nop; nop" : : : "memory", "cc");
    asm volatile(".byte 0xf1"); // INT1
}

} // namespace

void run() {
    enable_apic();
    if (life() == 1) {
        Group group("breakpoints");
        for (const u64 de : {u64{0}, cr4_de}) {
            write_cr4((read_cr4() & ~cr4_de) | de);
            try_foreign(group);
        }
        try_own(group);
        try_emulated(group);
        try_general_detect(group);
        try_upper_bits(group);
        try_loop(group);
        try_behind_mov_ss(group);
    } else { // the life before ended with all of them in use
        bool is_reset = read_debug<6>() == dr6_reset && read_debug<7>() == dr7_reset;
        for (unsigned i = 0; i < 4; ++i)
            is_reset = is_reset && read_breakpoint(i) == 0;
        check(is_reset, "debug registers of the last life are gone");
    }
    stop_by_each("breakpoints without end", fatal_count(), commit);
}

} // namespace bulkhead::guest
