// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "guests/lib/acpi.hpp"
#include "guests/lib/apic.hpp"
#include "guests/lib/guest.hpp"
#include "guests/lib/traps.hpp"
#include "guests/lib/vcpus.hpp"

// As many vCPUs as there are: every one starts, and every interrupt to one, to sixteen or to all of them arrives just
// once. They idle meanwhile: the machine may have fewer CPUs than it shows.
namespace bulkhead::guest {

constexpr std::string_view name = GUEST_NAME;

namespace {

constexpr u8 vector = 0x51;
constexpr u32 logical = 1 << 11, to_others = 3 << 18;
constexpr unsigned rounds = 20;

struct alignas(64) State {
    State* self;
    volatile u64 interrupts;
    volatile bool ready;
};
State states[max_vcpus];
u64 expected[max_vcpus];
u32 count;

void own_state_is(State& state) {
    constexpr u32 gs_base = 0xc0000101;
    state.self = &state;
    wrmsr(gs_base, reinterpret_cast<u64>(&state));
}

void idle(u32 id) {
    own_state_is(states[id]);
    states[id].ready = true;
    for (;;)
        sti_hlt();
}

bool all_have_arrived() {
    for (u32 id = 1; id < count; ++id)
        if (states[id].interrupts != expected[id])
            return false;
    return true;
}

void send(std::string_view what, u64 icr, auto&& is_meant) {
    for (u32 id = 1; id < count; ++id)
        expected[id] += is_meant(id) ? 1 : 0;
    wrmsr(x2apic_icr, icr | vector);
    for (unsigned waited = 0; waited < 5000 && !all_have_arrived(); ++waited)
        pm_timer_wait(pm_timer_hz / 1000);
    for (u32 id = 1; id < count; ++id)
        check_equal(states[id].interrupts, expected[id], what, ": interrupts of vCPU ", id);
}

} // namespace

void run() {
    count = vcpu_count();
    check_equal(count, command_line_number("cpus", 1), "vCPUs in the MADT");
    install_traps();
    enable_apic();
    own_state_is(states[0]);
    set_handler(vector, [](Frame&) {
        State* own;
        asm volatile("movq %%gs:0, %0" : "=r"(own));
        own->interrupts = own->interrupts + 1;
        end_of_interrupt();
    });
    for (u32 id = 1; id < count; ++id) {
        StartState found{};
        check(start_vcpu(id, idle, found), "vCPU ", id, " starts");
    }
    for (unsigned i = 0; i < rounds; ++i)
        send("to all others", to_others, [](u32) { return true; });
    for (u32 target = 1; target < count; ++target)
        send("physical", icr_to(target), [=](u32 id) { return id == target; });
    for (u32 cluster = 0; cluster * 16 < count; ++cluster)
        send("a cluster", icr_to(cluster << 16 | 0xfffe) | logical,
             [=](u32 id) { return id / 16 == cluster && id % 16 != 0; });
}

} // namespace bulkhead::guest
