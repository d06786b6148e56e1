// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "config/cpu_table.hpp"

namespace bulkhead {

using Cpu = PlacementStorage::Cpu;

void CpuTable::build() {
    std::ranges::fill(cpus_, Cpu{});
    for (u16 i = 0; i < cpus_.size(); ++i) {
        u16 core = 0;
        while (machine_[core].core != machine_[i].core)
            ++core;
        cpus_[i].core = core;
        ++cpus_[core].threads;
    }
}

void CpuTable::give(std::size_t cpu, u16 owner) {
    cpus_[cpu].owner = owner;
    ++cpus_[cpus_[cpu].core].taken;
}

void CpuTable::take_back(u16 owner) {
    for (Cpu& cpu : cpus_) {
        if (cpu.owner != owner)
            continue;
        cpu.owner = 0;
        --cpus_[cpu.core].taken;
    }
}

std::size_t CpuTable::foreign_sibling(std::size_t cpu, u16 owner) const {
    std::size_t other = 0;
    while (other < size() && (!same_core(other, cpu) || cpus_[other].owner == 0 || cpus_[other].owner == owner))
        ++other;
    return other;
}

namespace {

/// By themselves, whoever has the other threads of the core.
bool is_free_thread(const CpuTable& table, std::size_t cpu, const CpuSearch& search) {
    return table.owner(cpu) == 0 && search.domain.has(table.info(cpu)) &&
           !(search.reserve.closed && search.reserve.has(table, cpu));
}

/// Of a core that is named by its lowest CPU; 0 where none can be taken for this search.
u64 free_threads(const CpuTable& table, std::size_t core, const CpuSearch& search) {
    const bool closed = search.reserve.closed && search.reserve.has(table, core);
    return closed || !search.domain.has(table.info(core)) ? 0 : table.free_threads(core);
}

/// The core to take for a guest that needs `wanted` more CPUs: the largest that it fills, else the smallest, so that
/// few threads are wasted; the reserve last among equals. size() where none is free.
std::size_t choose_core(const CpuTable& table, u64 wanted, const CpuSearch& search) {
    struct Rank {
        bool wastes;
        u64 waste_or_rest;
        bool reserved;
        auto operator<=>(const Rank&) const = default;
    };
    std::size_t best = table.size();
    Rank best_rank{};
    for (std::size_t cpu = 0; cpu < table.size(); ++cpu) {
        const u64 threads = free_threads(table, cpu, search);
        if (threads == 0)
            continue;
        const bool wastes = threads > wanted;
        const Rank rank{wastes, wastes ? threads - wanted : wanted - threads, search.reserve.has(table, cpu)};
        if (best == table.size() || rank < best_rank) {
            best = cpu;
            best_rank = rank;
        }
    }
    return best;
}

/// Gives up to `wanted` threads of a core; returns how many.
u64 take_core(CpuTable& table, std::size_t core, u64 wanted, const CpuSearch& search) {
    u64 taken = 0;
    for (const bool reserved : {false, true}) {
        for (std::size_t cpu = core; cpu < table.size() && taken < wanted; ++cpu) {
            if (!table.same_core(cpu, core) || search.reserve.is(cpu) != reserved)
                continue;
            table.give(cpu, search.owner);
            ++taken;
        }
    }
    return taken;
}

/// Up to `wanted` single threads, the reserved ones last.
void take_threads(CpuTable& table, u64 wanted, const CpuSearch& search) {
    for (const bool reserved : {false, true}) {
        for (std::size_t cpu = 0; cpu < table.size() && wanted > 0; ++cpu) {
            if (!is_free_thread(table, cpu, search) || search.reserve.is(cpu) != reserved)
                continue;
            table.give(cpu, search.owner);
            --wanted;
        }
    }
}

} // namespace

u64 count_free(const CpuTable& table, const CpuSearch& search) {
    u64 count = 0;
    for (std::size_t cpu = 0; cpu < table.size(); ++cpu)
        count += search.splits_cores ? is_free_thread(table, cpu, search) : free_threads(table, cpu, search);
    return count;
}

bool take_cpus(CpuTable& table, const CpuSearch& search) {
    if (count_free(table, search) < search.wanted)
        return false;
    u64 wanted = search.wanted;
    while (wanted > 0) {
        const std::size_t core = choose_core(table, wanted, search);
        if (core == table.size())
            break;
        wanted -= take_core(table, core, wanted, search);
    }
    take_threads(table, wanted, search); // 0, but where cores are split
    return true;
}

} // namespace bulkhead
