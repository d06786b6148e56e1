// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "devices/platform.hpp"
#include "guests/lib/apic.hpp"
#include "guests/lib/devices.hpp"
#include "guests/lib/guest.hpp"
#include "guests/lib/traps.hpp"
#include "guests/lib/vcpus.hpp"

// All vCPUs but the second give it no rest, until the power button of the first is pressed: they reset it and start it
// again, or, with `modes=1`, send it interrupts while it turns its APIC off and on. If the core of the
// second is the one that serves the console, and who types "shutdown" is heard, the hypervisor still has its way there.
namespace bulkhead::guest {

constexpr std::string_view name = GUEST_NAME;

namespace {

constexpr u8 button_vector = 0x55, storm_vector = 0x56;
constexpr u32 victim = 1;
constexpr u64 apic_mode = 3 << 10; // IA32_APIC_BASE.EN and EXTD
constexpr u64 halt_page = 0x61;

volatile bool is_over;
volatile u64 sent;

[[noreturn]] void halt() {
    for (;;)
        asm volatile("cli; hlt");
}

void wait_to_be_reset(u32) { halt(); }

void change_modes(u32) {
    const u64 base = rdmsr(msr_apic_base) & ~apic_mode;
    while (!is_over) {
        wrmsr(msr_apic_base, base);
        wrmsr(msr_apic_base, base | 1 << 11);
        enable_apic();
    }
    halt();
}

void rage(bool modes) {
    while (!is_over) {
        if (modes) {
            wrmsr(x2apic_icr, icr_to(victim) | storm_vector);
        } else {
            send_init(victim);
            wrmsr(x2apic_icr, icr_to(victim) | icr_start_up | icr_assert | halt_page);
        }
        sent = sent + 1;
    }
}

template <bool modes> void rage_on(u32) {
    rage(modes);
    halt();
}

} // namespace

void run() {
    const bool modes = command_line_number("modes", 0) != 0;
    enable_apic();
    set_handler(button_vector, [](Frame&) {
        is_over = true;
        end_of_interrupt();
    });
    route_pin(platform::button_pin, button_vector);
    at<u32>(halt_page << 12) = 0xfdebf4fa; // in real mode: cli; hlt, and back to the hlt
    StartState found{};
    check(start_vcpu(victim, modes ? change_modes : wait_to_be_reset, found), "vCPU ", victim, " starts");
    for (u32 id = victim + 1; id < vcpu_count(); ++id)
        check(start_vcpu(id, modes ? rage_on<true> : rage_on<false>, found), "vCPU ", id, " starts");
    print("it rages");
    sti();
    rage(modes);
    cli();
    check(sent > 0, "nobody has sent anything");
}

} // namespace bulkhead::guest
