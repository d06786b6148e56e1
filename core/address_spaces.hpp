// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// Builds the page tables of every CPU and the second-stage tables of every guest. All of it happens on the bootstrap
// processor before any guest runs, with the firmware's identity map in the lower half; then the allocator is sealed.
#pragma once

#include "boot/boot_info.hpp"
#include "mm/format_host.hpp"
#include "mm/frame_allocator.hpp"
#include "mm/guest_memory_map.hpp"
#include "mm/page_table.hpp"

namespace bulkhead {

/// Physical memory at `Window` + its address. Writes become visible in their order (SDM 3A 9.2.2).
template <u64 Window> struct WindowAccess {
    [[nodiscard]] u64 read(HostPhysical at) const { return *reinterpret_cast<volatile u64*>(Window + at.value); }
    void write(HostPhysical at, u64 value) const { *reinterpret_cast<volatile u64*>(Window + at.value) = value; }
};
/// Through the firmware's identity map: while booting only.
using IdentityAccess = WindowAccess<0>;

class TableBuilder;

/// What the tables of all CPUs are made of.
class AddressSpaces {
public:
    /// `image`: where the loader put the hypervisor's image.
    AddressSpaces(PhysicalRange image, FrameAllocator& frames, PagingCapabilities capabilities);

    /// Starts with the image, each section with its own rights, `shared` at layout::shared, `handoff` at
    /// layout::handoff and `journal`, unless it is empty, at layout::journal.
    Result<void> create(PhysicalRange shared, PhysicalRange handoff, PhysicalRange journal);
    /// Makes device registers reachable at layout::mmio + address.
    Result<void> map_device(HostPhysical address, u64 size);

    /// The bootstrap processor's tables while it builds the others: the above, and the lower half of `firmware_root`.
    Result<HostPhysical> make_boot_root(HostPhysical firmware_root);
    /// For CPUs that have just been started: the image, and the trampoline's page at its own address.
    Result<HostPhysical> make_trampoline_root(HostPhysical trampoline);
    /// All roots from here on are without .init, which is what the CPUs' run loops have. The parts that all share have
    /// been mapped.
    Result<void> leave_init_out();
    /// For calls of UEFI runtime services: the services' memory 1:1, and `handoff` to be read there.
    Result<void> map_firmware(std::span<const MemoryRange> map, PhysicalRange handoff);
    /// The same as `run`, a CPU's final tables, and what map_firmware() has mapped.
    Result<HostPhysical> make_firmware_root(HostPhysical run);

    /// A guest's RAM at layout::guest_ram, where its segments come from at layout::pristine, and `second_stage`, unless
    /// it is empty, at layout::second_stage: shared by the tables of its CPUs.
    Result<HostPhysical> make_guest_windows(const GuestMemoryMap& memory, std::span<const GuestSegment> segments,
                                            PhysicalRange second_stage);
    /// A CPU's final tables. `windows`: of its guest, or 0. All physical; see
    /// arch/x86_64/layout.hpp.
    struct CpuFrames {
        HostPhysical data;
        HostPhysical stack;
        HostPhysical fault_stack;
        HostPhysical control; ///< layout::per_cpu_frames
    };
    Result<HostPhysical> make_cpu_root(const CpuFrames& cpu, HostPhysical windows);
    /// The same as `run`, a CPU's final tables, and .init: for its way into its run loop.
    Result<HostPhysical> make_start_root(HostPhysical run);

    /// The physical address of an object in the image.
    [[nodiscard]] HostPhysical image_physical(const void* object) const;

private:
    [[nodiscard]] TableBuilder table_at(const Result<HostPhysical>& root) const;

    PhysicalRange image_;
    FrameAllocator* frames_;
    PagingCapabilities capabilities_;
    HostPhysical common_;    ///< what all roots have
    HostPhysical with_init_; ///< the same before leave_init_out()
    HostPhysical firmware_;  ///< map_firmware()'s
};

/// A vendor's second-stage tables, and what its CPU's walker can do.
struct SecondStageFormat {
    const PageFormat& format;
    PagingCapabilities capabilities;
    /// Without execute: the backend adds it to small pages as they are executed (allow_execution).
    Rights ram = all_rights;
};

/// How many tables it takes to make 4 KiB pages of all 2 MiB pages.
constexpr u64 spare_tables(const GuestMemoryMap& memory) {
    return align_up(memory.total(), large_page_size) / large_page_size;
}

/// Second-stage table of a guest: its RAM with the largest pages, without the legacy hole. Where RAM is not executable,
/// the spare tables are the last frames that it takes.
Result<HostPhysical> make_second_stage(const SecondStageFormat& second_stage, FrameAllocator& frames,
                                       const GuestMemoryMap& memory);

/// Second-stage table of the parked context: one page at 0 to execute, nothing else.
Result<HostPhysical> make_parked_stage(const SecondStageFormat& second_stage, FrameAllocator& frames,
                                       HostPhysical code);

} // namespace bulkhead
