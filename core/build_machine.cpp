// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "core/build_machine.hpp"

#include <memory>

#include "arch/x86_64/instructions.hpp"
#include "arch/x86_64/layout.hpp"
#include "core/console.hpp"
#include "core/monitor.hpp"
#include "core/parked.hpp"

namespace bulkhead {

constinit Machine machine;

PagingCapabilities paging_capabilities() {
    const bool huge_pages = (arch::cpuid(0x80000001).edx >> 26 & 1) != 0;
    const u32 physical_bits = arch::cpuid(0x80000008).eax & 0xff;
    return {.levels = 4, .huge_pages = huge_pages, .physical_bits = physical_bits};
}

MachineBuilder::MachineBuilder(const BootInfo& boot)
    : frames_(boot.pool), capabilities_(paging_capabilities()), spaces_(boot.image, frames_, capabilities_) {}

u64 MachineBuilder::shared_size() const {
    const u64 cpus = machine.boot.cpus.count;
    const u64 guests = machine.boot.guests.count;
    const u64 alignments = 8 * 64;
    return align_up(cpus * (sizeof(Vcpu) + sizeof(CpuPlan) + sizeof(Vcpu*)) +
                        guests * (sizeof(Guest) + sizeof(ConsoleSource)) + sizeof(ConsoleSource) + alignments,
                    page_size);
}

Result<void> MachineBuilder::take_over_memory() {
    const Result<HostPhysical> shared = frames_.allocate(shared_size() / page_size);
    if (!shared)
        return std::unexpected(shared.error());
    shared_ = {*shared, shared_size()};
    if (auto r = spaces_.create(shared_, machine.boot.handoff, machine.boot.journal); !r)
        return r;
    for (const IoApicInfo& io_apic : std::span(reinterpret_cast<const IoApicInfo*>(machine.boot.io_apics.address.value),
                                               machine.boot.io_apics.count))
        if (auto r = spaces_.map_device(io_apic.address, page_size); !r)
            return r;
    if (auto r = spaces_.map_device(machine.boot.acpi.local_apic, page_size); !r)
        return r;
    if (machine.boot.acpi.hpet.value != 0)
        if (auto r = spaces_.map_device(machine.boot.acpi.hpet, page_size); !r)
            return r;
    if (machine.boot.screen.count != 0)
        if (auto r = spaces_.map_device(machine.boot.framebuffer.address, machine.boot.framebuffer.size); !r)
            return r;
    const Result<HostPhysical> root = spaces_.make_boot_root({arch::read_cr3()});
    if (!root)
        return std::unexpected(root.error());
    arch::write_cr3(root->value);
    console::move_screen();
    return {};
}

template <class T> std::span<T> MachineBuilder::create(u64 count) {
    shared_used_ = align_up(shared_used_, alignof(T));
    T* first = reinterpret_cast<T*>(layout::shared + shared_used_);
    shared_used_ += count * sizeof(T);
    std::uninitialized_value_construct_n(first, count);
    return {first, count};
}

Result<void> MachineBuilder::create_objects() {
    const std::span<const CpuInfo> cpus = handed(machine.boot.cpus);
    machine.cores = create<Vcpu>(cpus.size());
    plans_ = create<CpuPlan>(cpus.size());
    for (u32 i = 0; i < cpus.size(); ++i) {
        machine.cores[i].cpu = i;
        machine.cores[i].apic_id = cpus[i].apic_id;
    }
    const std::span<const GuestInfo> infos = handed(machine.boot.guests);
    machine.guests = create<Guest>(infos.size());
    machine.console_sources = create<ConsoleSource>(infos.size() + 1);
    machine.console_sources.back() = monitor::source();
    for (u32 i = 0; i < infos.size(); ++i) {
        Guest& guest = machine.guests[i];
        guest.info = &infos[i];
        guest.name = infos[i].name;
        const std::span<const u32> indices = handed(infos[i].cpus);
        const std::span<Vcpu*> vcpus = create<Vcpu*>(indices.size());
        for (u32 id = 0; id < indices.size(); ++id) {
            vcpus[id] = &machine.cores[indices[id]];
            vcpus[id]->guest = &guest;
            vcpus[id]->id = id;
        }
        guest.vcpus = vcpus;
        machine.console_sources[i] = {.name = guest.name, .output = &guest.output, .input = &guest.input};
        const Result<GuestMemoryMap> map = GuestMemoryMap::create(handed(infos[i].memory));
        if (!map)
            return std::unexpected(map.error());
        if (map->high_end().value > layout::guest_ram_size)
            return fail("a guest has memory beyond 512 GiB", map->high_end().value);
        guest.memory_map = *map;
        guest.memory =
            GuestMemory(reinterpret_cast<u8*>(layout::guest_ram), map->low_end().value, map->high_end().value);
    }
    return {};
}

Result<HostPhysical> MachineBuilder::build_cpu(u32 index, HostPhysical windows, HostPhysical parked,
                                               HostPhysical second_stage) {
    const u64 total = layout::per_cpu_data_size + layout::per_cpu_stack_size + layout::per_cpu_fault_stack_size +
                      layout::per_cpu_frames_size;
    const Result<HostPhysical> frames = frames_.allocate(total / page_size);
    if (!frames)
        return frames;
    const HostPhysical stack = *frames + layout::per_cpu_data_size;
    const HostPhysical fault_stack = stack + layout::per_cpu_stack_size;
    const HostPhysical control = fault_stack + layout::per_cpu_fault_stack_size;
    const Result<HostPhysical> root = spaces_.make_cpu_root({*frames, stack, fault_stack, control}, windows);
    if (!root)
        return root;
    const Result<HostPhysical> firmware_root = spaces_.make_firmware_root(*root);
    if (!firmware_root)
        return firmware_root;
    const Result<HostPhysical> start_root = spaces_.make_start_root(*root);
    if (start_root)
        plans_[index] = {
            *start_root,
            {*root, *firmware_root, control, second_stage, parked, machine.boot.debug_needless_intercept != 0}};
    return start_root;
}

Result<void> MachineBuilder::build_guest_tables(Guest& guest, const SecondStageFormat& second_stage,
                                                HostPhysical parked) {
    const u64 before = frames_.used();
    const Result<HostPhysical> root = make_second_stage(second_stage, frames_, guest.memory_map);
    if (!root)
        return std::unexpected(root.error());
    PhysicalRange changing;
    if (!second_stage.ram.execute) {
        changing = {*root, frames_.used() - before};
        const u64 spares = spare_tables(guest.memory_map) * page_size;
        const LockGuard lock(guest.devices_lock, lock_owner());
        guest.spare_tables = FrameAllocator({changing.end() - spares, spares});
    }
    const Result<HostPhysical> windows =
        spaces_.make_guest_windows(guest.memory_map, handed(guest.info->segments), changing);
    if (!windows)
        return std::unexpected(windows.error());
    second_stage_bytes_ += frames_.used() - before;
    for (const Vcpu* vcpu : guest.vcpus)
        if (auto r = build_cpu(vcpu->cpu, *windows, parked, *root); !r)
            return std::unexpected(r.error());
    return {};
}

Result<void> MachineBuilder::build_tables(const SecondStageFormat& second_stage) {
    const Result<HostPhysical> trampoline = spaces_.make_trampoline_root(machine.boot.ap_trampoline);
    if (!trampoline)
        return std::unexpected(trampoline.error());
    trampoline_root_ = *trampoline;
    if (auto r = spaces_.leave_init_out(); !r)
        return r;
    if (auto r = spaces_.map_firmware(handed(machine.boot.memory_map), machine.boot.handoff); !r)
        return r;
    const Result<HostPhysical> parked = make_parked_stage(second_stage, frames_, image_physical(parked_code));
    if (!parked)
        return std::unexpected(parked.error());
    for (Guest& guest : machine.guests)
        if (auto r = build_guest_tables(guest, second_stage, *parked); !r)
            return r;
    for (const Vcpu& core : machine.cores)
        if (core.guest == nullptr)
            if (auto r = build_cpu(core.cpu, {0}, *parked, {0}); !r)
                return std::unexpected(r.error());
    return {};
}

void MachineBuilder::seal() {
    frames_.seal();
    machine.second_stage_tables = second_stage_bytes_;
    machine.memory_kept = frames_.used() - second_stage_bytes_ + machine.boot.image.size + machine.boot.handoff.size +
                          machine.boot.journal.size;
}

} // namespace bulkhead
