// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "guests/lib/vcpus.hpp"

#include <cstring>

#include "guests/lib/acpi.hpp"
#include "guests/lib/guest.hpp"
#include "guests/lib/traps.hpp"
#include "guests/lib/xapic.hpp"

namespace bulkhead::guest {

extern "C" {
extern const u8 application_start[], application_found[], application_end[];
[[noreturn]] void application_cpp();
u64 application_stack;
}

namespace {

constexpr u64 stack_size = 8192;
constexpr u64 start_address = u64{start_page} << 12;

alignas(16) u8 stacks[max_vcpus][stack_size];
void (*volatile entry)(u32 id);
volatile u64 started;

} // namespace

volatile u64 found_apic_base;

extern "C" void application_cpp() {
    load_traps();
    found_apic_base = rdmsr(msr_apic_base);
    enable_apic();
    void (*const function)(u32) = entry;
    const u32 id = static_cast<u32>(rdmsr(x2apic_id));
    started = started + 1;
    function(id);
    check(false, "vCPU ", id, " has come back");
    for (;;)
        pause();
}

u32 vcpu_count() {
    const AcpiTable madt = acpi_table("APIC");
    u32 count = 0;
    for (u32 at = 44; madt && at + 2 <= madt.size() && madt.field<u8>(at + 1) != 0; at += madt.field<u8>(at + 1)) {
        const u8 type = madt.field<u8>(at); // ACPI 6.5 5.2.12.2, .12: local APIC and local x2APIC
        if (type == 0 || type == 9)
            count += madt.field<u32>(at + (type == 0 ? 4 : 8)) & 1;
    }
    return count;
}

void send_init(u32 id) { wrmsr(x2apic_icr, icr_to(id) | icr_init | icr_assert); }
void send_start_up(u32 id) { wrmsr(x2apic_icr, icr_to(id) | icr_start_up | icr_assert | start_page); }

namespace {

void prepare_start(u32 id, void (*function)(u32)) {
    std::memcpy(reinterpret_cast<void*>(start_address), application_start,
                static_cast<std::size_t>(application_end - application_start));
    application_stack = reinterpret_cast<u64>(stacks[id % max_vcpus]) + stack_size;
    entry = function;
}

bool wait_for_start(u64 before) {
    for (unsigned milliseconds = 0; milliseconds < 1000 && started == before; ++milliseconds)
        pm_timer_wait(pm_timer_hz / 1000);
    return started == before + 1;
}

} // namespace

bool start_vcpu_by_page(u32 id, void (*function)(u32)) {
    prepare_start(id, function);
    const u64 before = started;
    xapic_write(xapic_icr_high, id << 24);
    xapic_write(xapic_icr, u32{icr_init | icr_assert});
    xapic_write(xapic_icr, u32{icr_start_up | icr_assert | start_page});
    return wait_for_start(before);
}

bool start_vcpu(u32 id, void (*function)(u32), StartState& found, bool with_init) {
    prepare_start(id, function);
    const u64 before = started;
    if (with_init)
        send_init(id);
    send_start_up(id);
    const bool has_started = wait_for_start(before);
    std::memcpy(&found,
                reinterpret_cast<void*>(start_address + static_cast<u64>(application_found - application_start)),
                sizeof(found));
    return has_started;
}

} // namespace bulkhead::guest
