// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// Who has which CPU while they are given away, and which core is taken next.
#pragma once

#include <algorithm>
#include <optional>
#include <span>

#include "config/placement.hpp"

namespace bulkhead {

/// A part of the machine: the CPUs that have the same value in a member of CpuInfo. Without a member, all of it.
struct CpuDomain {
    u32 CpuInfo::* member = nullptr;
    u32 value = 0;

    [[nodiscard]] bool has(const CpuInfo& cpu) const { return member == nullptr || cpu.*member == value; }
};

/// A CPU that nobody has can be given to a guest only if nobody else has a sibling, unless cores may be split.
class CpuTable {
public:
    CpuTable(std::span<PlacementStorage::Cpu> cpus, std::span<const CpuInfo> machine)
        : cpus_(cpus), machine_(machine) {}

    void build();

    [[nodiscard]] std::size_t size() const { return cpus_.size(); }
    [[nodiscard]] const CpuInfo& info(std::size_t cpu) const { return machine_[cpu]; }
    [[nodiscard]] u16 owner(std::size_t cpu) const { return cpus_[cpu].owner; }
    [[nodiscard]] bool same_core(std::size_t a, std::size_t b) const { return cpus_[a].core == cpus_[b].core; }
    void give(std::size_t cpu, u16 owner);
    void take_back(u16 owner);

    /// The lowest CPU of the same core that a guest other than `owner` has; size() where there is none.
    [[nodiscard]] std::size_t foreign_sibling(std::size_t cpu, u16 owner) const;
    /// How many threads the core has that is named by its lowest CPU; 0 where `cpu` is not the lowest, or somebody is
    /// on that core.
    [[nodiscard]] u64 free_threads(std::size_t cpu) const { return cpus_[cpu].taken != 0 ? 0 : cpus_[cpu].threads; }

private:
    std::span<PlacementStorage::Cpu> cpus_;
    std::span<const CpuInfo> machine_;
};

/// CPUs whose cores are given away last.
struct CpuReserve {
    u64 service_cpu = 0;
    bool closed = false; ///< not at all, this time

    [[nodiscard]] bool has(const CpuTable& table, std::size_t cpu) const {
        return table.same_core(cpu, 0) || (service_cpu < table.size() && table.same_core(cpu, service_cpu));
    }
    /// Of one core's threads: which goes last.
    [[nodiscard]] bool is(std::size_t cpu) const { return cpu == 0 || cpu == service_cpu; }
};

/// What is taken, and from where.
struct CpuSearch {
    u64 wanted = 0;
    u16 owner = 0;
    CpuReserve reserve;
    CpuDomain domain;
    bool splits_cores = false; ///< single threads, whoever has their siblings
};

/// How many CPUs there are for such a search.
[[nodiscard]] u64 count_free(const CpuTable& table, const CpuSearch& search);

/// Gives `wanted` CPUs, or none where there are fewer.
[[nodiscard]] bool take_cpus(CpuTable& table, const CpuSearch& search);

} // namespace bulkhead
