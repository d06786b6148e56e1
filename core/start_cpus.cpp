// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "core/start_cpus.hpp"

#include <atomic>
#include <cstring>

#include "arch/x86_64/instructions.hpp"
#include "arch/x86_64/layout.hpp"
#include "core/local_apic_of_cpu.hpp"
#include "core/machine.hpp"

// arch/x86_64/trampoline.S
extern "C" const bulkhead::u8 trampoline_start[], trampoline_end[], trampoline_gdt_base[], trampoline_cr3[],
    trampoline_far_offset[];

// Read by arch/x86_64/entry.S.
extern "C" {
constinit bulkhead::ApStartup ap_startup{};
}

namespace bulkhead {

namespace {

using drivers::IpiMode;

void add_to_field(u8* page, const u8* field, u32 value) {
    u8* at = page + (field - trampoline_start);
    u32 old;
    std::memcpy(&old, at, sizeof(old));
    value += old;
    std::memcpy(at, &value, sizeof(value));
}

/// Waits; TSC ticks are counted as a hardware wait.
void wait_microseconds(u64 microseconds) {
    const u64 start = arch::read_tsc();
    const u64 ticks = machine.boot.clocks.tsc_khz * microseconds / 1000;
    while (arch::read_tsc() - start < ticks)
        arch::pause();
    machine.wait_ticks += arch::read_tsc() - start;
}

bool has_arrived() { return std::atomic_ref(ap_startup.arrived).load() != 0; }

constexpr u64 init_delay = 10'000; // microseconds: SDM 3A 10.4.4.1

void send_init(const CpuInfo& cpu) {
    static_cast<void>(local_apic().send_ipi(cpu.apic_id, IpiMode::Init)); // one that fails does not arrive
}

/// Waits until the CPU has arrived, at most so long.
bool wait_for_arrival(u64 microseconds) {
    constexpr u64 step = 10;
    for (u64 waited = 0; waited < microseconds && !has_arrived(); waited += step)
        wait_microseconds(step);
    return has_arrived();
}

} // namespace

void prepare_trampoline(HostPhysical page, HostPhysical root) {
    u8* to = reinterpret_cast<u8*>(page.value);
    std::memcpy(to, trampoline_start, static_cast<std::size_t>(trampoline_end - trampoline_start));
    const u32 base = static_cast<u32>(page.value);
    add_to_field(to, trampoline_gdt_base, base);
    add_to_field(to, trampoline_cr3, static_cast<u32>(root.value));
    add_to_field(to, trampoline_far_offset, base);
}

void send_init_to_all(std::span<const CpuInfo> cpus) {
    for (const CpuInfo& cpu : cpus.subspan(1))
        send_init(cpu);
    if (cpus.size() > 1)
        wait_microseconds(init_delay);
}

bool start_cpu(const CpuInfo& cpu, u32 index, HostPhysical root, HostPhysical trampoline) {
    constexpr u64 before_second_sipi = 200;
    constexpr u64 longest_start = 1'000'000;
    ap_startup.root = root.value;
    ap_startup.stack = layout::per_cpu_stack + layout::per_cpu_stack_size;
    ap_startup.cpu = index;
    std::atomic_ref(ap_startup.arrived).store(0);
    const u8 vector = static_cast<u8>(trampoline.value / page_size);
    if (!local_apic().send_ipi(cpu.apic_id, IpiMode::Startup, vector))
        return false;
    if (wait_for_arrival(before_second_sipi))
        return true;
    static_cast<void>(local_apic().send_ipi(cpu.apic_id, IpiMode::Startup, vector));
    if (wait_for_arrival(longest_start))
        return true;
    send_init(cpu); // or it comes late, with the parameters of the next
    wait_microseconds(init_delay);
    return false;
}

} // namespace bulkhead
