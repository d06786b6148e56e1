// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include <array>
#include <cstring>

#include "guests/attack/attack.hpp"
#include "guests/attack/encode.hpp"
#include "guests/attack/windows.hpp"

// Task switches of 32-bit protected mode (SDM 3A 8.3). What a descriptor forbids is an exception on every CPU. The rest
// always exits on VT-x (SDM 3C 26.4.2), is not emulated, and stops the guest. On AMD-V, which does not intercept
// them, the CPU switches by itself, with the guest's rights: only memory that is not the guest's stops it.
namespace bulkhead::guest {

constexpr std::string_view name = GUEST_NAME;

namespace {

using namespace attack;

constexpr u16 task_selector = 0x50, gate_selector = 0x58, ldt_selector = 0x60, beyond = MODE_GDT_ENTRIES * 8;
constexpr u64 available = 0x89, busy = 0x8b, task_gate = 0x85, task_limit = 103;
constexpr u8 gate_vector = 0x50;
constexpr u32 nested_task = 1 << 14, virtual8086_flag = 1 << 17;
constexpr u64 hpet = 0xfed00000;

/// What the new task does: INT 81h.
constexpr u32 task_code = mode_code + 0x800;
alignas(128) TaskState32 new_task;

enum class Way : u8 { jump, call, jump_gate, call_gate, interrupt, exception, timer, iret };
constexpr Way ways[] = {Way::jump,      Way::call,      Way::jump_gate, Way::call_gate,
                        Way::interrupt, Way::exception, Way::timer,     Way::iret};
constexpr std::string_view way_names[] = {"JMP",   "CALL",      "JMP to a gate", "CALL to a gate",
                                          "INT n", "exception", "timer",         "IRET"};

u32 low(const void* address) { return static_cast<u32>(reinterpret_cast<u64>(address)); }
void describe(u64 value) { mode_gdt[task_selector / 8] = value; }

/// A task that ends the run, and everything by which it may be reached.
void prepare(Way way) {
    prepare_modes();
    constexpr u8 code[] = {0xcd, static_cast<u8>(returned)};
    std::memcpy(reinterpret_cast<void*>(u64{task_code}), code, sizeof code);
    new_task = {};
    new_task.cr3 = low(legacy_tables.directory);
    new_task.eip = task_code;
    new_task.eflags = 2;
    new_task.esp = mode_stack_top;
    new_task.cs = KERNEL_CODE32;
    new_task.ss = new_task.ds = new_task.es = new_task.fs = new_task.gs = KERNEL_DATA;
    new_task.io_map = task_limit + 1;
    describe(descriptor(low(&new_task), task_limit, way == Way::iret ? busy : available));
    const u64 gate = u64{task_selector} << 16 | task_gate << 40;
    mode_gdt[gate_selector / 8] = gate;
    legacy_gates[gate_vector] = gate;
    if (way == Way::exception)
        legacy_gates[invalid_opcode] = gate;
    legacy_task.link = task_selector;
}

LegacyEnd do_switch(Way way, LegacyMode mode, u16 selector = task_selector) {
    Code code;
    LegacyRun run;
    const auto far = [&](u8 opcode, u16 target) { code.add(opcode).add_number(0, 4).add_number(target, 2); };
    switch (way) {
    case Way::jump:
        far(0xea, selector);
        break;
    case Way::call:
        far(0x9a, selector);
        break;
    case Way::jump_gate:
        far(0xea, gate_selector);
        break;
    case Way::call_gate:
        far(0x9a, gate_selector);
        break;
    case Way::interrupt:
        code.add(0xcd, gate_vector);
        break;
    case Way::exception:
        code.add(0x0f, 0x0b);
        break;
    case Way::timer: // JMP to itself
        start_timer_once(static_cast<u32>(apic_timer_hz() / 1000), gate_vector);
        run.flags |= interrupt_flag;
        code.add(0xeb, 0xfe);
        break;
    case Way::iret: // PUSHF; OR [ESP], NT; POPF; IRET
        code.add(0x9c, 0x81, 0x0c, 0x24).add_number(nested_task, 4).add(0x9d, 0xcf);
        break;
    }
    const LegacyEnd end = run_legacy(mode, code.bytes(), run);
    if (way == Way::timer) {
        stop_timer();
        end_of_interrupt();
    }
    return end;
}

/// What is wrong in descriptors, and with which exception it ends.
void try_refused(Group& group) {
    const auto expect = [&](Way way, std::string_view what, Ends ends, auto change, u16 selector = task_selector) {
        for (const LegacyMode mode : {LegacyMode::protected32, LegacyMode::small}) {
            prepare(way);
            change();
            const LegacyEnd end = do_switch(way, mode, selector);
            group.expect((end_of(end.vector) & ends) != 0, way_names[static_cast<u64>(way)], ", ", what, ", ",
                         name_of(mode), ": vector ", end.vector, " error ", Hex{end.error});
        }
    };
    const u32 base = low(&new_task);
    for (const Way way : ways) {
        const bool back = way == Way::iret, direct = way == Way::jump || way == Way::call;
        const u64 type = back ? busy : available;
        const Ends wrong = back ? bad_task : refused | bad_task; // of a gate it may be either
        expect(way, "busy or not", wrong, [=] { describe(descriptor(base, task_limit, type ^ 2)); });
        expect(way, "not present", not_present | bad_task,
               [=] { describe(descriptor(base, task_limit, type ^ 0x80)); });
        expect(way, "too short", bad_task, [=] { describe(descriptor(base, task_limit - 1, type)); });
        for (const u64 other : {u64{0x82}, u64{0x84}, u64{0x8c}, u64{0x8e}, u64{0x93}, u64{0x80}, u64{0x88}})
            if (!direct || (other & 0x1f) < 0x04 || (other & 0x1f) == 0x13)
                expect(way, "another type", wrong, [=] { describe(descriptor(base, task_limit, other)); });
        if (direct) {
            expect(
                way, "beyond the table", refused, [] {}, beyond);
            expect(
                way, "null", refused, [] {}, 0);
        } else if (!back) {
            const auto gate = [](u64 value) {
                return [=] { mode_gdt[gate_selector / 8] = legacy_gates[gate_vector] = legacy_gates[6] = value; };
            };
            expect(way, "gate not present", not_present, gate(u64{task_selector} << 16 | u64{0x05} << 40));
            expect(way, "gate to nothing", refused | bad_task, gate(task_gate << 40));
            expect(way, "gate beyond the table", refused | bad_task, gate(u64{beyond} << 16 | task_gate << 40));
            expect(way, "gate to a local table", refused | bad_task,
                   gate(u64{task_selector | 4} << 16 | task_gate << 40));
        }
    }
}

/// `breaks`: the new task cannot even take its exception.
enum class Fate : u8 { runs, faults, breaks, stops };

struct Hostile {
    std::string_view what;
    Fate on_amd; ///< on VT-x each stops the guest
    LegacyMode mode;
    void (*change)();
};
constexpr Hostile hostile[] = {
    {"a good task", Fate::runs, LegacyMode::protected32, [] {}},
    {"a good task, paging", Fate::runs, LegacyMode::small, [] {}},
    {"TSS outside of memory", Fate::stops, LegacyMode::protected32,
     [] { mode_gdt[task_selector / 8] = descriptor(end_of_ram(), task_limit, available | (mode_gdt[10] >> 40 & 2)); }},
    {"TSS in a device", Fate::stops, LegacyMode::protected32,
     [] { mode_gdt[task_selector / 8] = descriptor(hpet, task_limit, available | (mode_gdt[10] >> 40 & 2)); }},
    {"CR3 outside of memory", Fate::stops, LegacyMode::small, [] { new_task.cr3 = static_cast<u32>(end_of_ram()); }},
    {"CR3 in a device", Fate::stops, LegacyMode::small, [] { new_task.cr3 = static_cast<u32>(hpet); }},
    {"LDT that is none", Fate::breaks, LegacyMode::protected32, [] { new_task.ldt = task_selector; }},
    {"LDT outside of memory", Fate::runs, LegacyMode::protected32,
     [] {
         mode_gdt[ldt_selector / 8] = descriptor(end_of_ram(), 0xfff, 0x82);
         new_task.ldt = ldt_selector;
     }},
    {"code outside of memory", Fate::stops, LegacyMode::protected32,
     [] { new_task.eip = static_cast<u32>(end_of_ram()); }},
    {"stack segment that is none", Fate::breaks, LegacyMode::protected32, [] { new_task.ss = 0; }},
    {"map of ports behind the end", Fate::faults, LegacyMode::protected32,
     [] { // of virtual-8086 code: IN AL, DX
         new_task.eflags |= virtual8086_flag;
         new_task.cs = new_task.ss = new_task.ds = new_task.es = LOW_SEGMENT;
         new_task.eip = task_code - LOW_ADDRESS;
         new_task.esp0 = mode_stack_top;
         new_task.ss0 = KERNEL_DATA;
         new_task.io_map = 0xffff;
         at<u8>(task_code) = 0xec;
     }},
};

/// The first by every way, the others by two of them.
constexpr u64 count_of_ways = std::size(ways), cases = count_of_ways + 2 * (std::size(hostile) - 1);

void commit(u64 index) {
    const u64 other = index - count_of_ways;
    const Way way = ways[index < count_of_ways ? index : (other / 2 + other % 2 * 4) % count_of_ways];
    const Hostile& c = hostile[index < count_of_ways ? 0 : other / 2 + 1];
    print("attack: ", index, ": ", way_names[static_cast<u64>(way)], ", ", c.what);
    prepare(way);
    c.change();
    const LegacyEnd end = do_switch(way, c.mode);
    print("attack: ", index, ": vector ", end.vector, " at ", Hex{end.eip});
    if (is_intel() || c.on_amd == Fate::stops)
        return;
    const bool switched = end.vector == returned && end.eip == task_code + 2;
    if (c.on_amd == Fate::breaks || (c.on_amd == Fate::runs ? switched : end.vector == general_protection))
        reset(); // to the next one
}

} // namespace

void run() {
    enable_apic();
    if (life() == 1) {
        Group group("refused task switches");
        try_refused(group);
    }
    stop_by_each("task switches", cases, commit);
}

} // namespace bulkhead::guest
