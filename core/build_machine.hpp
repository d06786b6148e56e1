// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// The stages of hv_main that make the machine out of BootInfo. All on the bootstrap processor.
#pragma once

#include <span>

#include "core/address_spaces.hpp"
#include "core/backend.hpp"
#include "core/machine.hpp"

namespace bulkhead {

/// What a CPU needs to start; one a CPU, in the shared area.
struct CpuPlan {
    HostPhysical start_root; ///< its page tables until it enters its run loop: CpuResources has those for then
    CpuResources resources;
};

/// Builds everything that outlives booting, out of the pool that the loader gave.
class MachineBuilder {
public:
    explicit MachineBuilder(const BootInfo& boot);

    /// Own page tables: from here on the image is W^X, and the shared area and the hand-off are mapped.
    Result<void> take_over_memory();
    /// Cores and guests, without their tables.
    Result<void> create_objects();
    /// Second-stage tables, windows and the page tables of every CPU.
    Result<void> build_tables(const SecondStageFormat& second_stage);
    /// No allocation from here on.
    void seal();

    [[nodiscard]] std::span<const CpuPlan> plans() const { return plans_; }
    [[nodiscard]] HostPhysical trampoline_root() const { return trampoline_root_; }
    [[nodiscard]] HostPhysical image_physical(const void* object) const { return spaces_.image_physical(object); }
    Result<void> map_device(HostPhysical address, u64 size) { return spaces_.map_device(address, size); }

private:
    [[nodiscard]] u64 shared_size() const;
    template <class T> std::span<T> create(u64 count);
    Result<void> build_guest_tables(Guest& guest, const SecondStageFormat& second_stage, HostPhysical parked);
    Result<HostPhysical> build_cpu(u32 index, HostPhysical windows, HostPhysical parked, HostPhysical second_stage);

    FrameAllocator frames_;
    PagingCapabilities capabilities_;
    AddressSpaces spaces_;
    PhysicalRange shared_;
    u64 shared_used_ = 0;
    u64 second_stage_bytes_ = 0;
    HostPhysical trampoline_root_;
    std::span<CpuPlan> plans_;
};

/// What the CPU's page-table walker can do (CPUID 8000_0001h EDX.Page1GB, 8000_0008h).
PagingCapabilities paging_capabilities();

} // namespace bulkhead
