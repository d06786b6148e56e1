// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "config/placement.hpp"

#include <algorithm>

#include "config/place_cpus.hpp"
#include "config/place_memory.hpp"

namespace bulkhead {
namespace {

bool has_several_nodes(std::span<const CpuInfo> cpus) {
    return std::ranges::any_of(cpus, [&](const CpuInfo& cpu) { return cpu.node != cpus.front().node; });
}

u64 near_bytes(const MemoryChunk& chunk, u32 node, std::span<const NodeMemory> nodes) {
    u64 sum = 0;
    for (const NodeMemory& memory : nodes) {
        const HostPhysical start = std::max(memory.range.start, chunk.host);
        const HostPhysical end = std::min(memory.range.end(), chunk.host + chunk.size);
        sum += memory.node == node && end > start ? end - start : 0;
    }
    return std::min(sum, chunk.size); // firmware's ranges may overlap
}

/// What of a plan is further apart than it should be.
void note_distances(const Machine& machine, GuestPlan& plan) {
    if (plan.cpus.empty() || machine.nodes.empty() || !has_several_nodes(machine.cpus))
        return;
    const u32 node = machine.cpus[plan.cpus.front()].node;
    plan.several_nodes = std::ranges::any_of(plan.cpus, [&](const u32 cpu) { return machine.cpus[cpu].node != node; });
    for (const MemoryChunk& chunk : plan.memory)
        plan.far_memory += chunk.size - near_bytes(chunk, node, machine.nodes);
}

void write_guest(Text& out, const GuestConfig& config, const GuestPlan& plan, std::span<const CpuInfo> cpus) {
    const bool several = plan.cpus.size() != 1;
    out << "guest " << config.name.value << (several ? ": CPUs " : ": CPU ");
    for (std::size_t i = 0; i < plan.cpus.size(); ++i)
        out << (i > 0 ? ", " : "") << plan.cpus[i];
    out << (several ? " (APIC IDs " : " (APIC ID ");
    for (std::size_t i = 0; i < plan.cpus.size(); ++i)
        out << (i > 0 ? ", " : "") << cpus[plan.cpus[i]].apic_id;
    out << (plan.several_nodes ? ", of several NUMA nodes)" : ")");
    for (const MemoryChunk& chunk : plan.memory)
        out << ", " << Size{chunk.size} << " at " << Hex{chunk.host.value};
    if (plan.far_memory != 0)
        out << " (" << Size{plan.far_memory} << " of it far from CPU " << plan.cpus.front() << ')';
    out << '\n';
}

} // namespace

Plan place(const Configuration& configuration, const Machine& machine, PlacementStorage& storage,
           Diagnostics& diagnostics) {
    Plan plan;
    for (std::size_t i = 0; i < configuration.guests.size(); ++i)
        (void)plan.guests.push_back({}); // both have room for max_guests
    place_cpus(configuration, machine, storage, plan, diagnostics);
    place_memory(configuration, machine, storage, plan, diagnostics);
    for (GuestPlan& guest : plan.guests)
        note_distances(machine, guest);
    return plan;
}

u64 most_guest_memory(const Configuration& configuration, u64 free) {
    u64 sum = 0;
    for (const GuestConfig& guest : configuration.guests) {
        if (guest.rest.value)
            return free;
        // At most 64 guests, each below 2^40: no sum wraps. The percentage is of less than `free`.
        sum += guest.memory.percent != 0 ? free / 100 * guest.memory.percent + free % 100 : guest.memory.value;
    }
    return std::min(sum, free);
}

void write_plan(Text& out, const Configuration& configuration, const Plan& plan, const Machine& machine) {
    for (std::size_t i = 0; i < plan.guests.size(); ++i)
        write_guest(out, configuration.guests[i], plan.guests[i], machine.cpus);
    if (plan.service_cpu == no_cpu)
        return;
    out << "hypervisor: CPU " << plan.service_cpu << " (APIC ID " << machine.cpus[plan.service_cpu].apic_id << ')';
    for (std::size_t i = 0; i < plan.guests.size(); ++i)
        for (const u32 cpu : plan.guests[i].cpus)
            if (cpu == plan.service_cpu)
                out << ", shared with guest " << configuration.guests[i].name.value;
    out << '\n';
}

} // namespace bulkhead
