// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "guests/lib/apic.hpp"
#include "guests/lib/guest.hpp"
#include "guests/lib/traps.hpp"

// #DB or #AC over and over, for `seconds=`: the hypervisor intercepts both and must still get in, and others must not
// notice. With `stack=1` the debug case sets a breakpoint on the stack that its exception is pushed to, which loops
// inside a CPU where the exception is not intercepted (CVE-2015-8104; CVE-2015-5307 is the same of #AC). That is not
// the default since QEMU's CPU, without any hypervisor, fails an assertion on it and is gone.
namespace bulkhead::guest {

constexpr std::string_view name = GUEST_NAME;

namespace {

enum class Loop { debug, alignment };

constexpr u64 alignment_mask = u64{1} << 18; // CR0.AM
constexpr u64 break_on_write = 0x90401;      // DR7: L0, R/W0 write, LEN0 8 bytes

alignas(16) u64 stack[512];
u64 end_of_loop;

/// Runs one round; returns the vector that ended it.
u64 one_round(Loop loop) {
    switch (loop) {
    case Loop::debug: {
        const Frame frame = attempt([] {
            const u64 top = reinterpret_cast<u64>(stack + 500);
            asm volatile("movq %0, %%dr0" : : "r"(top - 16));
            if (command_line_number("stack", 0) != 0)
                asm volatile("movq %0, %%dr7" : : "r"(break_on_write));
            asm volatile("movq %0, %%rsp; .byte 0xf1" /* INT1 */ : : "r"(top) : "memory");
        });
        asm volatile("movq %0, %%dr7" : : "r"(u64{0x400}));
        return frame.vector;
    }
    case Loop::alignment:
        return run_code({0x8b, 0x03}, Mode::user64, {.rbx = reinterpret_cast<u64>(stack) + 1, .rflags = alignment_flag})
            .vector;
    }
    return returned;
}

} // namespace

void run() {
    constexpr Loop loop = Loop::EXCEPTION_LOOP;
    constexpr u64 expected = loop == Loop::debug ? debug_exception : alignment_check;
    end_of_loop = rdtsc() + command_line_number("seconds", 3) * tsc_hz();
    write_cr0(read_cr0() | alignment_mask);
    print("containment: ", name);
    u64 rounds = 0, raised = 0;
    while (rdtsc() < end_of_loop) {
        ++rounds;
        raised += one_round(loop) == expected ? 1 : 0;
    }
    Line<100> note;
    note << raised << " exceptions";
    if (loop == Loop::alignment && raised == 0)
        note << ": this CPU does not check alignment";
    else
        check_equal(raised, rounds, "rounds that raised their exception");
    finish(note.view());
}

} // namespace bulkhead::guest
