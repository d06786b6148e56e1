// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "config/place_cpus.hpp"

#include <algorithm>

#include "config/cpu_table.hpp"

namespace bulkhead {
namespace {

/// An NMI can be routed to these only: the IOAPIC's destination has 8 bits, and 255 is all CPUs (82093AA 3.2.4).
constexpr u32 apic_id_limit = 255;

/// Bytes of free memory that are near to a node's CPUs.
u64 memory_of(u32 node, const Machine& machine) {
    u64 sum = 0;
    for (const NodeMemory& memory : machine.nodes) {
        for (const PhysicalRange& range : machine.free_memory) {
            const HostPhysical start = std::max(memory.range.start, range.start);
            const HostPhysical end = std::min(memory.range.end(), range.end());
            sum += memory.node == node && end > start ? end - start : 0;
        }
    }
    return sum;
}

/// The guests that ask for a number of CPUs.
class CountPlacement {
public:
    CountPlacement(const Configuration& configuration, const Machine& machine, CpuTable& table,
                   const CpuReserve& reserve, Diagnostics* diagnostics)
        : configuration_(configuration), machine_(machine), table_(table), reserve_(reserve),
          diagnostics_(diagnostics) {}

    /// Those first that have more to ask for. True when all have theirs.
    bool place() {
        const std::span<const GuestConfig> guests = configuration_.guests.span();
        bool complete = true;
        for (const bool share_cache : {true, false})
            for (u16 i = 0; i < guests.size(); ++i)
                if (guests[i].cpus_share_cache.value == share_cache && !guests[i].rest.value &&
                    guests[i].cpus.list.empty() && guests[i].cpus.count != 0)
                    complete = place_guest(i) && complete;
        return complete;
    }

private:
    bool place_guest(u16 index) {
        const GuestConfig& guest = configuration_.guests[index];
        const bool share = guest.cpus_share_cache.value;
        CpuSearch search{.wanted = guest.cpus.count,
                         .owner = static_cast<u16>(index + 1),
                         .reserve = reserve_,
                         .domain = {},
                         .splits_cores = false};
        for (const bool split : {false, true}) {
            if (split && !configuration_.hypervisor.allow_split_cores.value)
                break;
            search.splits_cores = split;
            search.domain = choose_domain(share ? &CpuInfo::cache : &CpuInfo::node, guest, search);
            if (take_cpus(table_, search))
                return true;
            search.domain = {};
            if (!share && take_cpus(table_, search))
                return true;
        }
        if (diagnostics_)
            report(guest, search);
        return false;
    }

    /// Of the parts of the machine that have enough CPUs: one that has enough memory, then the smallest, then the one
    /// with the lowest CPU. The whole machine where there is none.
    CpuDomain choose_domain(u32 CpuInfo::* member, const GuestConfig& guest, CpuSearch search) {
        struct Rank {
            bool lacks_memory;
            u64 free;
            auto operator<=>(const Rank&) const = default;
        };
        CpuDomain best;
        Rank best_rank{};
        for (std::size_t cpu = 0; cpu < table_.size(); ++cpu) {
            search.domain = {member, table_.info(cpu).*member};
            if (!is_first(cpu, search.domain))
                continue;
            const u64 free = count_free(table_, search);
            const Rank rank{memory_of(table_.info(cpu).node, machine_) < guest.memory.value, free};
            if (free >= search.wanted && (best.member == nullptr || rank < best_rank)) {
                best = search.domain;
                best_rank = rank;
            }
        }
        // Nothing fits: no CPU at all is in such a part, if a cache must be shared.
        return best.member == nullptr && member == &CpuInfo::cache ? CpuDomain{member, ~0u} : best;
    }

    [[nodiscard]] bool is_first(std::size_t cpu, const CpuDomain& domain) const {
        for (std::size_t other = 0; other < cpu; ++other)
            if (domain.has(table_.info(other)))
                return false;
        return true;
    }

    void report(const GuestConfig& guest, CpuSearch search) {
        const Position at = guest.cpus.at.line != 0 ? guest.cpus.at : guest.at;
        const std::string_view one_or_more = guest.cpus.count == 1 ? " CPU" : " CPUs";
        const std::string_view rule = search.splits_cores ? "" : " (no two guests get threads of one core)";
        search.domain = {};
        u64 there = count_free(table_, search);
        if (!guest.cpus_share_cache.value)
            return diagnostics_->error(at, "this guest wants ", guest.cpus.count, one_or_more, "; ", there,
                                       there == 1 ? " is" : " are", " left for it of the ", u64{table_.size()},
                                       " of this machine", rule);
        there = 0;
        for (std::size_t cpu = 0; cpu < table_.size(); ++cpu) {
            search.domain = {&CpuInfo::cache, table_.info(cpu).cache};
            there = std::max(there, count_free(table_, search));
        }
        diagnostics_->error(at, "this guest wants ", guest.cpus.count, one_or_more,
                            " that share a cache ('cpus-share-cache'); at most ", there, there == 1 ? " is" : " are",
                            " left in one", rule);
    }

    const Configuration& configuration_;
    const Machine& machine_;
    CpuTable& table_;
    CpuReserve reserve_;
    Diagnostics* diagnostics_;
};

void check_shared_cache(const GuestConfig& guest, const CpuTable& table, Diagnostics& diagnostics) {
    if (!guest.cpus_share_cache.value)
        return;
    const u64 first = guest.cpus.list.front().value;
    for (const Located<u64>& cpu : guest.cpus.list)
        if (cpu.value < table.size() && first < table.size() && table.info(cpu.value).cache != table.info(first).cache)
            return diagnostics.error(cpu.at, "CPU ", cpu.value, " does not share a cache with CPU ", first,
                                     ", as 'cpus-share-cache' in line ", guest.cpus_share_cache.at.line, " wants");
}

/// Where a guest's list has a CPU whose sibling another guest listed.
void report_split(std::span<const GuestConfig> guests, u16 index, const Located<u64>& cpu, std::size_t sibling,
                  const CpuTable& table, Diagnostics& diagnostics) {
    const GuestConfig& neighbour = guests[table.owner(sibling) - 1u];
    diagnostics.error(cpu.at, "CPU ", cpu.value, " of the guest ", Quoted{shown_name(guests[index])},
                      " is a sibling thread of CPU ", u64{sibling}, ", which the guest ", Quoted{shown_name(neighbour)},
                      " has (line ", neighbour.cpus.at.line,
                      "); two guests share a core only with 'allow-split-cores = true' below [hypervisor]");
}

void place_list(const Configuration& configuration, u16 index, CpuTable& table, Diagnostics& diagnostics) {
    const std::span<const GuestConfig> guests = configuration.guests.span();
    const u16 owner = static_cast<u16>(index + 1);
    if (guests[index].cpus.list.empty() || guests[index].rest.value)
        return;
    for (const Located<u64>& cpu : guests[index].cpus.list) {
        if (cpu.value >= table.size()) {
            diagnostics.error(cpu.at, "there is no CPU ", cpu.value, "; this machine has the CPUs 0 to ",
                              u64{table.size() - 1});
            continue;
        }
        if (table.owner(cpu.value) != 0)
            continue; // given twice in the file: validate() reports that
        const std::size_t other = table.foreign_sibling(cpu.value, owner);
        if (other != table.size() && !configuration.hypervisor.allow_split_cores.value)
            report_split(guests, index, cpu, other, table, diagnostics);
        else
            table.give(cpu.value, owner);
    }
    check_shared_cache(guests[index], table, diagnostics);
}

/// What nobody has, of cores on which nobody else is.
void place_rest(const Configuration& configuration, CpuTable& table, Diagnostics& diagnostics) {
    for (u16 i = 0; i < configuration.guests.size(); ++i) {
        const GuestConfig& guest = configuration.guests[i];
        if (!guest.rest.value)
            continue;
        CpuSearch search{.wanted = 0,
                         .owner = static_cast<u16>(i + 1),
                         .reserve = {},
                         .domain = {},
                         .splits_cores = configuration.hypervisor.allow_split_cores.value};
        search.wanted = count_free(table, search);
        if (search.wanted == 0 || !take_cpus(table, search))
            diagnostics.error(guest.rest.at, "no core is left for this guest: the others have threads of all cores");
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
    CpuTable table(std::span(storage.cpus).first(cpus.size()), cpus);
    table.build();
    check_service_cpu(service, cpus, diagnostics);
    for (u16 i = 0; i < guests.size(); ++i)
        place_list(configuration, i, table, diagnostics);

    storage.attempt = storage.cpus;
    CpuReserve reserve{.service_cpu = service.given() ? service.value : 0, .closed = true};
    if (!CountPlacement(configuration, machine, table, reserve, nullptr).place()) {
        storage.cpus = storage.attempt;
        reserve.closed = false;
        CountPlacement(configuration, machine, table, reserve, &diagnostics).place();
    }
    place_rest(configuration, table, diagnostics);
    plan.service_cpu = choose_service_cpu(service, table, cpus);
    collect(guests, table, storage.assigned, plan);
}

} // namespace bulkhead
