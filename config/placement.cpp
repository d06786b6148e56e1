// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "config/placement.hpp"

#include "config/place_cpus.hpp"
#include "config/place_memory.hpp"

namespace bulkhead {
namespace {

void write_guest(Text& out, const GuestConfig& config, const GuestPlan& plan, std::span<const CpuInfo> cpus) {
    const bool several = plan.cpus.size() != 1;
    out << "guest " << config.name.value << (several ? ": CPUs " : ": CPU ");
    for (std::size_t i = 0; i < plan.cpus.size(); ++i)
        out << (i > 0 ? ", " : "") << plan.cpus[i];
    out << (several ? " (APIC IDs " : " (APIC ID ");
    for (std::size_t i = 0; i < plan.cpus.size(); ++i)
        out << (i > 0 ? ", " : "") << cpus[plan.cpus[i]].apic_id;
    out << ')';
    for (const MemoryChunk& chunk : plan.memory)
        out << ", " << Size{chunk.size} << " at " << Hex{chunk.host.value};
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
    return plan;
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
