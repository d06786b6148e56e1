// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "config/place_cpus.hpp"

#include <algorithm>

namespace bulkhead {
namespace {

using Cpu = PlacementStorage::Cpu;

/// An NMI can be routed to these only: the IOAPIC's destination has 8 bits, and 255 is all CPUs (82093AA 3.2.4).
constexpr u32 apic_id_limit = 255;

/// Who has which CPU. A CPU that nobody has can be given to a guest only if nobody else has a sibling.
class CpuTable {
public:
    explicit CpuTable(std::span<Cpu> cpus) : cpus_(cpus) {}

    void build(std::span<const CpuInfo> machine) {
        std::ranges::fill(cpus_, Cpu{});
        for (u16 i = 0; i < cpus_.size(); ++i) {
            u16 core = 0;
            while (machine[core].core != machine[i].core)
                ++core;
            cpus_[i].core = core;
            ++cpus_[core].threads;
        }
    }

    [[nodiscard]] std::size_t size() const { return cpus_.size(); }
    [[nodiscard]] u16 owner(std::size_t cpu) const { return cpus_[cpu].owner; }
    [[nodiscard]] bool same_core(std::size_t a, std::size_t b) const { return cpus_[a].core == cpus_[b].core; }
    void give(std::size_t cpu, u16 owner) {
        cpus_[cpu].owner = owner;
        ++cpus_[cpus_[cpu].core].taken;
    }

    void take_back(u16 owner) {
        for (Cpu& cpu : cpus_) {
            if (cpu.owner != owner)
                continue;
            cpu.owner = 0;
            --cpus_[cpu.core].taken;
        }
    }

    /// The lowest CPU of the same core that a guest other than `owner` has; size() where there is none.
    [[nodiscard]] std::size_t foreign_sibling(std::size_t cpu, u16 owner) const {
        std::size_t other = 0;
        while (other < size() && (!same_core(other, cpu) || cpus_[other].owner == 0 || cpus_[other].owner == owner))
            ++other;
        return other;
    }
    /// How many threads the core has that is named by its lowest CPU; 0 where `cpu` is not the lowest, or somebody is
    /// on that core.
    [[nodiscard]] u64 free_threads(std::size_t cpu) const { return cpus_[cpu].taken != 0 ? 0 : cpus_[cpu].threads; }

private:
    std::span<Cpu> cpus_;
};

/// CPUs whose cores are given away last.
struct Reserve {
    u64 service_cpu;
    bool closed; ///< not at all, this time

    [[nodiscard]] bool has(const CpuTable& table, std::size_t cpu) const {
        return table.same_core(cpu, 0) || (service_cpu < table.size() && table.same_core(cpu, service_cpu));
    }
    /// Of one core's threads: which goes last.
    [[nodiscard]] bool is(std::size_t cpu) const { return cpu == 0 || cpu == service_cpu; }
};

/// The core to take for a guest that needs `wanted` more CPUs: the largest that it fills, else the smallest, so that
/// few threads are wasted; the reserve last among equals. size() where none is free.
std::size_t choose_core(const CpuTable& table, u64 wanted, const Reserve& reserve) {
    struct Rank {
        bool wastes;
        u64 waste_or_rest;
        bool reserved;
        auto operator<=>(const Rank&) const = default;
    };
    std::size_t best = table.size();
    Rank best_rank{};
    for (std::size_t cpu = 0; cpu < table.size(); ++cpu) {
        const u64 threads = table.free_threads(cpu);
        const bool reserved = reserve.has(table, cpu);
        if (threads == 0 || (reserved && reserve.closed))
            continue;
        const bool wastes = threads > wanted;
        const Rank rank{wastes, wastes ? threads - wanted : wanted - threads, reserved};
        if (best == table.size() || rank < best_rank) {
            best = cpu;
            best_rank = rank;
        }
    }
    return best;
}

/// Gives up to `wanted` threads of a core; returns how many.
u64 take_core(CpuTable& table, std::size_t core, u64 wanted, u16 owner, const Reserve& reserve) {
    u64 taken = 0;
    for (const bool reserved : {false, true}) {
        for (std::size_t cpu = core; cpu < table.size() && taken < wanted; ++cpu) {
            if (!table.same_core(cpu, core) || reserve.is(cpu) != reserved)
                continue;
            table.give(cpu, owner);
            ++taken;
        }
    }
    return taken;
}

/// Gives `wanted` CPUs or none. Returns how many there were.
u64 take_cpus(CpuTable& table, u64 wanted, u16 owner, const Reserve& reserve) {
    u64 taken = 0;
    while (taken < wanted) {
        const std::size_t core = choose_core(table, wanted - taken, reserve);
        if (core == table.size())
            break;
        taken += take_core(table, core, wanted - taken, owner, reserve);
    }
    if (taken < wanted)
        table.take_back(owner);
    return taken;
}

/// The guests that ask for a number of CPUs. True when all have theirs.
bool place_counts(std::span<const GuestConfig> guests, CpuTable& table, const Reserve& reserve,
                  Diagnostics* diagnostics) {
    bool complete = true;
    for (u16 i = 0; i < guests.size(); ++i) {
        const CpuRequest& request = guests[i].cpus;
        if (!request.list.empty() || request.count == 0)
            continue;
        const u64 there = take_cpus(table, request.count, static_cast<u16>(i + 1), reserve);
        if (there == request.count)
            continue;
        complete = false;
        if (diagnostics)
            diagnostics->error(request.at.line != 0 ? request.at : guests[i].at, "this guest wants ", request.count,
                               request.count == 1 ? " CPU; " : " CPUs; ", there, there == 1 ? " is" : " are",
                               " left for it of the ", u64{table.size()},
                               " of this machine (no two guests get threads of one core)");
    }
    return complete;
}

void place_list(std::span<const GuestConfig> guests, u16 index, CpuTable& table, Diagnostics& diagnostics) {
    const u16 owner = static_cast<u16>(index + 1);
    for (const Located<u64>& cpu : guests[index].cpus.list) {
        if (cpu.value >= table.size()) {
            diagnostics.error(cpu.at, "there is no CPU ", cpu.value, "; this machine has the CPUs 0 to ",
                              u64{table.size() - 1});
            continue;
        }
        if (table.owner(cpu.value) != 0)
            continue; // given twice in the file: validate() reports that
        if (const std::size_t other = table.foreign_sibling(cpu.value, owner); other != table.size()) {
            const GuestConfig& neighbour = guests[table.owner(other) - 1u];
            diagnostics.error(cpu.at, "CPU ", cpu.value, " is a sibling thread of CPU ", u64{other},
                              ", which the guest ", Quoted{shown_name(neighbour)}, " has (line ",
                              neighbour.cpus.at.line, "); no two guests can share a core");
            continue;
        }
        table.give(cpu.value, owner);
    }
}

void check_service_cpu(const Located<u64>& service, std::span<const CpuInfo> cpus, Diagnostics& diagnostics) {
    if (!service.given())
        return;
    if (service.value >= cpus.size())
        diagnostics.error(service.at, "there is no CPU ", service.value, "; this machine has the CPUs 0 to ",
                          u64{cpus.size() - 1});
    else if (cpus[service.value].apic_id >= apic_id_limit)
        diagnostics.error(service.at, "CPU ", service.value, " has the APIC ID ", cpus[service.value].apic_id,
                          "; the service CPU needs one below 255, as typed input is sent to it by an IOAPIC");
}

/// The one of the configuration, else the first that nobody has, else the first.
u32 choose_service_cpu(const Located<u64>& wanted, const CpuTable& table, std::span<const CpuInfo> cpus) {
    if (wanted.given())
        return static_cast<u32>(wanted.value);
    for (const bool any : {false, true})
        for (u32 i = 0; i < table.size(); ++i)
            if ((any || table.owner(i) == 0) && cpus[i].apic_id < apic_id_limit)
                return i;
    return no_cpu;
}

/// Writes down the result for each guest: in the order of its list, else in ascending order.
void collect(std::span<const GuestConfig> guests, const CpuTable& table, std::span<u32> assigned, Plan& plan) {
    std::size_t used = 0;
    for (u16 i = 0; i < guests.size(); ++i) {
        const std::size_t first = used;
        for (const Located<u64>& cpu : guests[i].cpus.list)
            if (cpu.value < table.size() && used < assigned.size())
                assigned[used++] = static_cast<u32>(cpu.value);
        for (u32 cpu = 0; cpu < table.size() && guests[i].cpus.list.empty(); ++cpu)
            if (table.owner(cpu) == i + 1 && used < assigned.size())
                assigned[used++] = cpu;
        plan.guests[i].cpus = assigned.subspan(first, used - first);
    }
}

} // namespace

void place_cpus(const Configuration& configuration, const Machine& machine, PlacementStorage& storage, Plan& plan,
                Diagnostics& diagnostics) {
    const std::span<const GuestConfig> guests = configuration.guests.span();
    const std::span<const CpuInfo> cpus = machine.cpus.first(std::min<std::size_t>(machine.cpus.size(), max_cpus));
    const Located<u64>& service = configuration.hypervisor.service_cpu;
    if (cpus.empty())
        return diagnostics.error({}, "the firmware reports no CPU");
    CpuTable table(std::span(storage.cpus).first(cpus.size()));
    table.build(cpus);
    check_service_cpu(service, cpus, diagnostics);
    for (u16 i = 0; i < guests.size(); ++i)
        place_list(guests, i, table, diagnostics);

    storage.attempt = storage.cpus;
    Reserve reserve{.service_cpu = service.given() ? service.value : 0, .closed = true};
    if (!place_counts(guests, table, reserve, nullptr)) {
        storage.cpus = storage.attempt;
        reserve.closed = false;
        place_counts(guests, table, reserve, &diagnostics);
    }
    plan.service_cpu = choose_service_cpu(service, table, cpus);
    collect(guests, table, storage.assigned, plan);
}

} // namespace bulkhead
