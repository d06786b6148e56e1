// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "guests/lib/traps.hpp"

#include <array>
#include <cstring>

#include "guests/lib/power.hpp"

namespace bulkhead::guest {

extern "C" {
extern u64 gdt[];
extern const u8 trap_stubs[];
void run_frame(Frame* frame);
[[noreturn]] void run_return();
void run_function();
}

namespace {

// SDM 3A 7.7: RSP0 at 4, the I/O map's offset at 102.
struct [[gnu::packed]] TaskState {
    u32 reserved0;
    u64 rsp[3];
    u64 reserved1;
    u64 ist[7];
    u64 reserved2;
    u16 reserved3;
    u16 io_map_base;
};
static_assert(sizeof(TaskState) == 104);

struct Gate {
    u16 offset_low;
    u16 selector;
    u16 attributes;
    u16 offset_middle;
    u32 offset_high;
    u32 reserved;
};
static_assert(sizeof(Gate) == 16);

struct [[gnu::packed]] TablePointer {
    u16 limit;
    u64 base;
};

struct alignas(16) Stack {
    u8 bytes[8192];
    u64 top() { return reinterpret_cast<u64>(bytes + sizeof bytes); }
};

TaskState task_state;
std::array<Gate, 256> gates;
std::array<Handler, 256> handlers;
Stack trap_stack;
Stack run_stack_memory;
alignas(4096) std::array<u8, 3 * 4096> code_pages;
Frame* running;

Gate make_gate(u64 vector) {
    const u64 address = reinterpret_cast<u64>(trap_stubs) + 16 * vector;
    const u16 user = vector == breakpoint || vector == returned ? 0x6000 : 0;
    return {.offset_low = static_cast<u16>(address),
            .selector = KERNEL_CODE64,
            .attributes = static_cast<u16>(0x8e00 | user),
            .offset_middle = static_cast<u16>(address >> 16),
            .offset_high = static_cast<u32>(address >> 32),
            .reserved = 0};
}

void run_in(Mode mode, Frame& frame) {
    switch (mode) {
    case Mode::kernel64:
        frame.cs = KERNEL_CODE64;
        frame.ss = KERNEL_DATA;
        break;
    case Mode::kernel32:
        frame.cs = KERNEL_CODE32;
        frame.ss = KERNEL_DATA;
        break;
    case Mode::user64:
        frame.cs = USER_CODE64;
        frame.ss = USER_DATA;
        break;
    case Mode::user32:
        frame.cs = USER_CODE32;
        frame.ss = USER_DATA;
        break;
    }
    // IRET to an outer ring makes null what is the kernel's in DS and ES (SDM 3A 5.8.6).
    const bool user = mode == Mode::user64 || mode == Mode::user32;
    const u32 data = user ? USER_DATA : KERNEL_DATA;
    asm volatile("movl %0, %%ds\n\tmovl %0, %%es" : : "r"(data));
    frame.rsp = run_stack_memory.top();
    frame.rflags |= 2;
    running = &frame;
    Frame start = frame;
    run_frame(&start);
}

} // namespace

extern "C" void trap_dispatch(Frame& frame) {
    const u64 vector = frame.vector;
    const bool is_running = running != nullptr;
    if (handlers[vector] != nullptr && (!is_running || (vector >= 32 && vector != returned) || vector == nmi))
        return handlers[vector](frame);
    if (is_running && (vector < 32 || vector == returned)) {
        *running = frame;
        running = nullptr;
        run_return();
    }
    print("FAIL ", name, ": unexpected vector ", vector, " error ", Hex{frame.error}, " at ", Hex{frame.rip}, " cr2 ",
          Hex{read_cr2()});
    power_off();
}

void load_traps() {
    const TablePointer pointer{sizeof gates - 1, reinterpret_cast<u64>(gates.data())};
    asm volatile("lidt %0" : : "m"(pointer));
}

void install_traps() {
    for (u64 vector = 0; vector < gates.size(); ++vector)
        gates[vector] = make_gate(vector);
    load_traps();

    task_state.rsp[0] = trap_stack.top();
    task_state.io_map_base = sizeof task_state;
    const u64 base = reinterpret_cast<u64>(&task_state);
    gdt[TASK_STATE / 8] =
        (sizeof task_state - 1) | (base & 0xffffff) << 16 | u64{0x89} << 40 | (base >> 24 & 0xff) << 56;
    gdt[TASK_STATE / 8 + 1] = base >> 32;
    asm volatile("ltr %w0" : : "r"(TASK_STATE));
}

void set_handler(u64 vector, Handler handler) { handlers[vector] = handler; }

u64 code_address(u64 offset) { return reinterpret_cast<u64>(code_pages.data()) + offset; }

Frame run_code(std::span<const u8> code, Mode mode, Frame registers, u64 offset) {
    std::memcpy(code_pages.data() + offset, code.data(), code.size());
    code_pages[offset + code.size()] = 0xcd; // int $0x81
    code_pages[offset + code.size() + 1] = static_cast<u8>(returned);
    registers.rip = code_address(offset);
    run_in(mode, registers);
    return registers;
}

Frame run_with(void (*function)(void*), void* argument, u64 rflags) {
    Frame frame{};
    frame.rip = reinterpret_cast<u64>(run_function);
    frame.rdi = reinterpret_cast<u64>(function);
    frame.rsi = reinterpret_cast<u64>(argument);
    frame.rflags = rflags;
    run_in(Mode::kernel64, frame);
    return frame;
}

} // namespace bulkhead::guest
