// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// Which CPUs and which frames a guest gets. A pure function of the configuration and the machine: the same file on the
// same machine always gives the same plan. docs/configuration.md describes the rules.
#pragma once

#include <array>
#include <span>

#include "base/static_vector.hpp"
#include "base/text.hpp"
#include "boot/boot_info.hpp"
#include "config/diagnostics.hpp"
#include "config/model.hpp"
#include "mm/guest_layout.hpp"
#include "mm/memory_chunk.hpp"

namespace bulkhead {

inline constexpr u32 max_cpus = 1024;
inline constexpr u32 no_cpu = ~0u;
inline constexpr u64 guest_hole_start = guest_layout::device_hole.value;
inline constexpr u64 guest_hole_end = guest_layout::device_hole_end.value;

/// Memory that is near to the CPUs of one node.
struct NodeMemory {
    PhysicalRange range;
    u32 node = 0; ///< as CpuInfo::node
    u32 reserved = 0;
};

/// What there is to give away.
struct Machine {
    std::span<const CpuInfo> cpus;              ///< a CPU's number is its index; at most max_cpus
    std::span<const PhysicalRange> free_memory; ///< in ascending order, without overlap, of any alignment
    std::span<const NodeMemory> nodes;          ///< in any order; memory that is in none of them is near to nobody
};

struct GuestPlan {
    std::span<const u32> cpus;           ///< CPU numbers; the n-th is vCPU n
    std::span<const MemoryChunk> memory; ///< in ascending order of the guest's addresses
    bool several_nodes = false;          ///< its CPUs are of more than one node, of a machine that has several
    u64 far_memory = 0;                  ///< bytes of its memory that are not near to its first CPU
};

struct Plan {
    StaticVector<GuestPlan, max_guests> guests; ///< as in the configuration
    u32 service_cpu = no_cpu;                   ///< does the hypervisor's own work; no_cpu: none can
};

/// What a plan lives in, and working memory. Too large for a stack; zeros before its first use.
struct PlacementStorage {
    struct Cpu {
        u16 owner = 0;   ///< 0: nobody; else the number of a guest, from 1
        u16 core = 0;    ///< the lowest number of a CPU of the same core
        u16 threads = 0; ///< of that lowest CPU: how many the core has,
        u16 taken = 0;   ///< and how many of them somebody has
    };
    std::array<Cpu, max_cpus> cpus{};
    std::array<Cpu, max_cpus> attempt{};
    std::array<u32, max_cpus> assigned{};
    std::array<PhysicalRange, 1024> free{};
    std::array<MemoryChunk, 1024> chunks{};
};

/// Bytes that `configuration`'s guests can get at most on a machine that has `free` bytes for them; never more than
/// that. What the hypervisor needs for its tables is found with it, before placement.
[[nodiscard]] u64 most_guest_memory(const Configuration& configuration, u64 free);

/// Decides. Whatever cannot be had is reported at the line of the guest that wants it; the plan is to be used only
/// where nothing was reported. Requests that were refused by earlier checks are left out.
[[nodiscard]] Plan place(const Configuration& configuration, const Machine& machine, PlacementStorage& storage,
                         Diagnostics& diagnostics);

/// Writes the plan, a line for each guest and one for the service CPU, each with a newline.
void write_plan(Text& out, const Configuration& configuration, const Plan& plan, const Machine& machine);

} // namespace bulkhead
