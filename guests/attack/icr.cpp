// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include <array>

#include "devices/platform.hpp"
#include "guests/attack/attack.hpp"
#include "guests/attack/msr_table.hpp"
#include "guests/lib/apic.hpp"
#include "guests/lib/devices.hpp"
#include "guests/lib/vcpus.hpp"
#include "guests/lib/xapic.hpp"

// Interrupts to everybody, in every form that an APIC and an I/O APIC can say: those of other guests and of the
// hypervisor are nobody here.
namespace bulkhead::guest {

constexpr std::string_view name = GUEST_NAME;

namespace {

using namespace attack;

// Physical and logical: own vCPUs, the machine's other CPUs, IDs beyond 8 bits, clusters, everybody.
constexpr auto destinations =
    std::to_array<u32>({0,       1,       2,       3,       4,          5,          6,          7,         8,
                        15,      0x7f,    0xfe,    0xff,    0x100,      0x101,      0x104,      0x1ff,     0xffff,
                        0x10001, 0x10002, 0x1000f, 0x1ffff, 0x7fffffff, 0xffff0001, 0xfffffffe, 0xffffffff});
constexpr auto vectors = std::to_array<u8>({2, 0x20, 0xff});

volatile u64 nmis, interrupts;
struct Heard {
    volatile u64 nmis, interrupts, starts;
};
Heard heard[2]; ///< by each vCPU
Heard& own_heard() { return heard[cpuid(1).ebx >> 24 & 1]; }

constexpr u64 fixed_mode = 0, lowest_mode = 1, smi_mode = 2, nmi_mode = 4, init_mode = 5, start_up_mode = 6;
constexpr u64 mode_of(u64 command) { return command >> 8 & 7; }
constexpr bool is_assert(u64 command) { return (command >> 14 & 1) != 0; }

/// An INIT that may mean the sender resets this machine: that is another group.
bool may_reset(u64 command, u64 destination) {
    const u64 shorthand = command >> 18 & 3;
    const bool is_logical = (command >> 11 & 1) != 0;
    const bool names_first = is_logical ? (destination & 1) != 0 || destination >= 0xff
                                        : destination == 0 || destination == 0xff || destination == 0xffffffff;
    return mode_of(command) == init_mode && is_assert(command) &&
           (shorthand == 1 || shorthand == 2 || (shorthand == 0 && names_first));
}

/// Delivery mode, logical, level, trigger, shorthand.
template <typename Send> void every_form(Group& group, std::string_view what, u32 largest, Send send) {
    for (u64 form = 0; form < 256; ++form) {
        const u64 command = (form & 0xf) << 8 | (form >> 4 & 3) << 14 | (form >> 6) << 18;
        const bool has_shorthand = form >> 6 != 0;
        for (const u32 destination : destinations) {
            if (destination > largest)
                break;
            if (may_reset(command, destination) || (has_shorthand && destination > 0))
                continue;
            for (const u8 vector : vectors)
                group.attempt(
                    ignored | refused, [=] { send(command | vector, destination); }, what, " ", Hex{command | vector},
                    " to ", Hex{destination});
        }
    }
}

[[noreturn]] void listen(u32) {
    Heard& mine = own_heard();
    mine.starts = mine.starts + 1;
    sti();
    for (;;)
        asm volatile("hlt");
}

/// As xAPICs, flat: the first is bit 0, the second bit 1.
void name_by_page(u32 id) {
    use_xapic();
    xapic_write(xapic_dfr, 0xffffffff);
    xapic_write(xapic_ldr, u32{1} << (24 + id));
}
[[noreturn]] void listen_by_page(u32 id) {
    name_by_page(id);
    listen(id);
}

/// Where start-up IPIs of this group lead: CLI, HLT, JMP back.
void write_parked_code() {
    constexpr u8 parked[] = {0xfa, 0xf4, 0xeb, 0xfd};
    for (const u8 vector : vectors)
        for (u64 i = 0; i < sizeof parked; ++i)
            at<u8>((u64{vector} << 12) + i) = parked[i];
}

void take_all() {
    set_handler(nmi, [](Frame&) {
        nmis = nmis + 1;
        Heard& mine = own_heard();
        mine.nmis = mine.nmis + 1;
    });
    for (u64 vector = 16; vector < 256; ++vector)
        if (vector != returned)
            set_handler(vector, [](Frame&) {
                interrupts = interrupts + 1;
                Heard& mine = own_heard();
                mine.interrupts = mine.interrupts + 1;
                if (apic_mode() == apic_base_en)
                    xapic_write(xapic_eoi, 0u);
                else
                    end_of_interrupt();
            });
}

void try_self_ipis(Group& group) {
    for (u64 value = 0; value < 0x200; ++value)
        group.attempt(ignored | refused, [=] { wrmsr(x2apic_self_ipi, value); }, "self-IPI ", Hex{value});
}

/// The timer's entry has no delivery mode, but somebody may write one; with the others nothing is connected.
void try_local_vectors(Group& group) {
    for (u32 entry = x2apic_lvt_timer; entry <= x2apic_lvt_error; ++entry)
        for (u64 form = 0; form < 1024; ++form) {
            const u64 value = (form & 7) << 8 | (form >> 3) << 12 | 0x51;
            group.attempt(
                end_of_write(entry, find_msr(entry), value, 0),
                [=] {
                    wrmsr(entry, value & ~u64{0x700});
                    wrmsr(entry, value);
                    const bool periodic = (value & lvt_periodic) != 0;
                    wrmsr(x2apic_initial_count, 1); // what the timer has become sends
                    u64 left = ~u64{0};             // of a period; a new one has more
                    for (u64 now; (now = rdmsr(x2apic_current_count)) != 0 && (!periodic || now <= left); left = now)
                        pause();
                },
                "LVT ", Hex{entry}, " = ", Hex{value});
            wrmsr(entry, lvt_masked);
            wrmsr(x2apic_initial_count, 0); // else a periodic timer would begin with it
        }
}

/// All of the I/O APIC's registers and of its entries' bits, then the UART's interrupt by way of each delivery mode.
void try_io_apic(Group& group) {
    for (u32 index = 0; index < 256; ++index)
        for (const u32 value : {0u, ~0u, 0x5a5a5a5au, 0x00010000u}) {
            if (index % 2 == 0 && (value & 0x700) == 0x500)
                continue;
            group.attempt(ignored, [=] { io_apic_write(index, value); }, "I/O APIC ", Hex{index}, " = ", Hex{value});
        }
    for (u32 pin = 0; pin < 24; ++pin)
        mask_pin(pin);
    for (u32 form = 0; form < 256; ++form) {
        const u32 low = (form & 0xf) << 8 | (form >> 4 & 0xf) << 12;
        for (const u32 destination : {0u, 1u, 2u, 3u, 8u, 0xfu, 0xfeu, 0xffu}) {
            if (mode_of(low) == init_mode)
                continue;
            group.attempt(
                ignored,
                [=] {
                    io_apic_write(redirection(uart_pin) + 1, destination << 24);
                    io_apic_write(redirection(uart_pin), (low & ~io_apic_masked) | 0x52);
                    out8(uart_ier, ier_transmit);
                    out8(uart_ier, 0);
                    mask_pin(uart_pin);
                },
                "pin ", Hex{low}, " to ", destination);
        }
    }
}

void by_x2apic(u64 command, u32 destination) { wrmsr(x2apic_icr, u64{destination} << 32 | command); }
void by_page(u64 command, u32 destination) {
    xapic_write(xapic_icr_high, destination << 24);
    xapic_write(xapic_icr, static_cast<u32>(command));
}

/// Waits until something holds that another vCPU has to do, or for what it may take: an emulator's CPU may stand still.
template <typename Holds> bool comes(Holds holds, u64 milliseconds = 3000) {
    for (const u64 end = rdtsc() + tsc_hz() / 1000 * milliseconds; !holds() && rdtsc() < end;) {
        asm volatile("sti; nop; cli" : : : "memory");
        pause();
    }
    return holds();
}

/// Which of the two vCPUs a destination means, as bits (SDM 3A 11.6.2, 11.12.10).
u32 addressed(u64 command, u32 destination, bool by_xapic) {
    constexpr u32 by_shorthand[] = {0, 1, 3, 2};
    if (const u64 shorthand = command >> 18 & 3; shorthand != 0)
        return by_shorthand[shorthand];
    if (destination == (by_xapic ? 0xffu : ~0u))
        return 3;
    if ((command >> 11 & 1) == 0)
        return destination < 2 ? u32{1} << destination : 0;
    return by_xapic || destination >> 16 == 0 ? destination & 3 : 0;
}

/// What comes of each form, and to whom. INIT and start-up IPIs are below.
template <typename Send> void try_results(Group& group, std::string_view what, bool by_xapic, Send send) {
    u64 nmis_before[] = {heard[0].nmis, heard[1].nmis}; // as they should be: what comes late is seen, too
    u64 before[] = {heard[0].interrupts, heard[1].interrupts};
    for (const u64 mode : {fixed_mode, lowest_mode, smi_mode, u64{3}, nmi_mode, u64{7}})
        for (u64 form = 0; form < 32; ++form)
            for (const u32 destination : destinations) {
                const u64 way = mode << 8 | (form & 1) << 11 | (form >> 1 & 3) << 14 | (form >> 3) << 18;
                if ((by_xapic && destination > 0xff) || (form >> 3 != 0 && destination > 0))
                    break;
                for (const u64 vector : {u64{0x08}, u64{0x30}}) {
                    const Frame frame = attempt([=] { send(way | vector, destination); });
                    const bool is_mode = mode != 3 && mode != 7;
                    group.judge(frame, is_mode || by_xapic ? ignored : refused, what, " ", Hex{way | vector}, " to ",
                                Hex{destination});
                    const u32 meant = addressed(way, destination, by_xapic);
                    const bool is_sent = (mode == fixed_mode || mode == lowest_mode) && vector >= 16;
                    const auto as_should = [&] {
                        u64 come = 0, wrong = 0;
                        for (u32 id = 0; id < 2; ++id) {
                            const u64 is_meant = meant >> id & 1;
                            const u64 now = heard[id].interrupts - before[id];
                            come += now;
                            wrong += mode == lowest_mode ? u64{now > is_meant} : u64{now != (is_sent ? is_meant : 0)};
                            wrong += u64{heard[id].nmis - nmis_before[id] != (mode == nmi_mode ? is_meant : 0)};
                        }
                        return wrong == 0 && (mode != lowest_mode || come == u64{is_sent && meant != 0});
                    };
                    const bool is_right = comes(as_should);
                    group.expect(is_right, what, " ", Hex{way | vector}, " to ", Hex{destination}, " reaches ",
                                 heard[0].interrupts - before[0], " and ", heard[1].interrupts - before[1], ", NMIs ",
                                 heard[0].nmis - nmis_before[0], " and ", heard[1].nmis - nmis_before[1]);
                    for (u32 id = 0; id < 2; ++id) {
                        const u64 is_meant = meant >> id & 1;
                        const bool is_known = is_right && mode != lowest_mode;
                        before[id] = is_known ? before[id] + (is_sent ? is_meant : 0) : heard[id].interrupts;
                        nmis_before[id] = !is_right ? heard[id].nmis
                                                    : nmis_before[id] + (mode == nmi_mode ? is_meant : 0);
                    }
                }
            }
}

/// INIT by each name of the second vCPU alone stops it, and a start-up IPI starts it; nobody else's does.
template <typename Send> void try_starts(Group& group, std::string_view what, bool by_xapic, Send send) {
    constexpr u64 init = init_mode << 8, start = start_up_mode << 8 | icr_assert | start_page, level = 1 << 15,
                  nmi = nmi_mode << 8 | icr_assert;
    const auto answers = [&](u64 milliseconds = 3000) {
        const u64 before = heard[1].interrupts;
        send(u64{0x30}, 1u);
        return comes([=] { return heard[1].interrupts != before; }, milliseconds);
    };
    const auto keeps_on = [&](std::string_view why, u64 command, u32 destination) {
        const u64 starts = heard[1].starts;
        send(command, destination);
        group.expect(answers() && heard[1].starts == starts, what, ": ", why, ", ", Hex{command}, " to ",
                     Hex{destination});
    };
    for (const u32 destination : destinations) {
        if ((by_xapic && destination > 0xff) || destination == 1 || destination == (by_xapic ? 0xffu : ~0u))
            continue;
        keeps_on("start-up of another", start, destination);
        if (destination != 0)
            keeps_on("INIT of another", init | icr_assert, destination);
    }
    keeps_on("start-up of one that runs", start, 1);
    keeps_on("INIT, de-asserted", init | level, 1);
    keeps_on("INIT, de-asserted, to all", init | level | 2 << 18, 0);
    struct Name {
        u64 form;
        u32 destination;
    };
    for (const Name& name : {Name{0, 1}, Name{1 << 11, 2}, Name{3 << 18, 0}})
        for (const u64 trigger : {u64{0}, level}) {
            send(init | icr_assert | trigger | name.form, name.destination);
            group.expect(!answers(50), what, ": INIT ", Hex{trigger | name.form}, " stops it");
            const u64 starts = heard[1].starts;
            const bool is_named = !by_xapic || name.form != 1 << 11; // INIT has taken its logical name
            send(start | (is_named ? name.form : 0), is_named ? name.destination : 1);
            group.expect(comes([=] { return heard[1].starts == starts + 1; }) && answers(), what, ": start-up ",
                         Hex{name.form}, " starts it");
        }
    // Where its code begins there are no vectors: an NMI that came there would end it.
    for (u64 i = 0; i < 100; ++i) {
        const u64 starts = heard[1].starts;
        send(i % 2 == 0 ? nmi : init | icr_assert, 1u);
        send(i % 2 == 0 ? init | icr_assert : nmi, 1u);
        send(start, 1u);
        const bool begins = comes([=] { return heard[1].starts == starts + 1; });
        group.expect(begins && answers(), what, ": start-up with an NMI ", i % 2 == 0 ? "before" : "behind",
                     " the INIT");
        if (!begins)
            return;
    }
}

/// An INIT of the first vCPU is a reset of this machine, and of no other.
struct Reset {
    std::string_view what;
    u64 command;
    u32 destination;
};
constexpr auto resets = std::to_array<Reset>({
    {"INIT to itself", icr_init | icr_assert, 0},
    {"INIT to all", icr_init | icr_assert, 0xffffffff},
    {"INIT to all by shorthand", icr_init | icr_assert | 2 << 18, 0},
    {"INIT to its cluster", icr_init | icr_assert | 1 << 11, 0xffff},
    {"INIT to all, level", icr_init | icr_assert | 1 << 15 | 2 << 18, 7},
});

void commit(u64 index) {
    print("attack: ", index, ": ", resets[index].what);
    by_x2apic(resets[index].command, resets[index].destination);
    for (const u64 end = rdtsc() + tsc_hz(); rdtsc() < end;)
        pause();
}

} // namespace

void run() {
    enable_apic();
    take_all();
    if (life() == 1) {
        StartState found;
        check(start_vcpu(1, listen, found), "vCPU 1 does not start");
        {
            Group results("interrupts that arrive");
            const u64 base = rdmsr(msr_apic_base);
            try_results(results, "x2APIC", false, by_x2apic);
            try_starts(results, "x2APIC", false, by_x2apic);
            check(start_vcpu(1, listen_by_page, found), "vCPU 1 does not start");
            name_by_page(0);
            comes([starts = heard[1].starts] { return heard[1].starts != starts; });
            try_results(results, "xAPIC", true, by_page);
            try_starts(results, "xAPIC", true, by_page);
            set_apic_mode(0);
            set_apic_mode(base & apic_base_en);
            set_apic_mode(base & (apic_base_en | apic_base_extd));
            enable_apic();
            check(start_vcpu(1, listen, found), "vCPU 1 does not start");
        }
        write_parked_code();
        Group group("interrupts");
        every_form(group, "x2APIC", ~0u, by_x2apic);
        try_self_ipis(group);
        try_local_vectors(group);
        try_io_apic(group);
        const u64 base = rdmsr(msr_apic_base);
        use_xapic();
        every_form(group, "xAPIC", 0xff, by_page);
        set_apic_mode(base & (apic_base_en | apic_base_extd));
    }
    stop_by_each("INIT of the first", resets.size(), commit);
}

} // namespace bulkhead::guest
