// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "core/address_spaces.hpp"

#include "arch/x86_64/layout.hpp"

// linker.ld
extern "C" const bulkhead::u8 image_start[], text_start[], text_end[], rodata_start[], rodata_end[], data_start[],
    data_end[], boot_stack_guard[];

namespace bulkhead {

namespace {

using SecondStageTable = TableWalker<IdentityAccess, FrameAllocator>;

constexpr u64 entry_address = 0x000ffffffffff000;
constexpr u64 top_level_span = u64{1} << 39;

HostVirtual virtual_address(const void* object) { return {reinterpret_cast<u64>(object)}; }

Result<void> without_flush(const Result<TlbFlush>& result) {
    if (!result)
        return std::unexpected(result.error());
    return {};
}

} // namespace

AddressSpaces::AddressSpaces(PhysicalRange image, FrameAllocator& frames, PagingCapabilities capabilities)
    : image_(image), frames_(&frames), capabilities_(capabilities) {}

HostPhysical AddressSpaces::image_physical(const void* object) const {
    return image_.start + (reinterpret_cast<u64>(object) - reinterpret_cast<u64>(image_start));
}

Result<void> AddressSpaces::create(PhysicalRange shared, PhysicalRange handoff) {
    Result<HostTable> table = HostTable::create(access_, *frames_, capabilities_);
    if (!table)
        return std::unexpected(table.error());
    common_ = table->root();
    struct Section {
        const u8 *start, *end;
        Rights rights;
    };
    for (const Section& section :
         {Section{text_start, text_end, read_execute}, Section{rodata_start, rodata_end, read_only},
          Section{data_start, data_end, read_write}}) {
        const u64 size = static_cast<u64>(section.end - section.start);
        if (auto r = table->map(virtual_address(section.start), image_physical(section.start), size, {section.rights});
            !r)
            return std::unexpected(r.error());
    }
    if (auto r = table->unmap(virtual_address(boot_stack_guard), page_size); !r)
        return std::unexpected(r.error());
    if (auto r = table->map({layout::handoff}, handoff.start, handoff.size, {read_only}); !r)
        return std::unexpected(r.error());
    return without_flush(table->map({layout::shared}, shared.start, shared.size, {read_write}));
}

Result<void> AddressSpaces::map_device(HostPhysical address, u64 size) {
    const HostPhysical first = address.align_down(page_size);
    const u64 bytes = (address + size).align_up(page_size) - first;
    return without_flush(HostTable(access_, *frames_, common_, capabilities_)
                             .map({layout::mmio + first.value}, first, bytes, {read_write, MemoryKind::Uncached}));
}

Result<HostPhysical> AddressSpaces::copy_table(HostPhysical table) {
    const Result<HostPhysical> copy = frames_->allocate();
    if (copy)
        for (u64 offset = 0; offset < page_size; offset += 8)
            access_.write(*copy + offset, access_.read(table + offset));
    return copy;
}

Result<void> AddressSpaces::make_private(HostPhysical root, u64 address) {
    HostPhysical table = root;
    for (const unsigned shift : {39u, 30u}) {
        const HostPhysical slot = table + (address >> shift & 511) * 8;
        const u64 entry = access_.read(slot);
        if ((entry & 1) == 0)
            return {};
        const Result<HostPhysical> copy = copy_table({entry & entry_address});
        if (!copy)
            return std::unexpected(copy.error());
        access_.write(slot, (entry & ~entry_address) | copy->value);
        table = *copy;
    }
    return {};
}

void AddressSpaces::copy_slot(HostPhysical from, HostPhysical to, u64 address) {
    const u64 offset = address / top_level_span % 512 * 8;
    access_.write(to + offset, access_.read(from + offset));
}

Result<HostPhysical> AddressSpaces::make_boot_root(HostPhysical firmware_root) {
    const Result<HostPhysical> root = copy_root();
    if (root)
        for (u64 slot = 0; slot < 256; ++slot)
            copy_slot({firmware_root.value & entry_address}, *root, slot * top_level_span);
    return root;
}

Result<HostPhysical> AddressSpaces::make_trampoline_root(HostPhysical trampoline) {
    const Result<HostPhysical> root = copy_root();
    if (!root)
        return root;
    HostTable table(access_, *frames_, *root, capabilities_);
    if (auto r = table.map({trampoline.value}, trampoline, page_size, {read_execute}); !r)
        return std::unexpected(r.error());
    if (root->value >= 4 * GiB)
        return fail("page tables for starting CPUs must be below 4 GiB", root->value);
    return root;
}

Result<HostPhysical> AddressSpaces::make_firmware_root(std::span<const MemoryRange> map) {
    const Result<HostPhysical> root = copy_root();
    if (!root)
        return root;
    HostTable table(access_, *frames_, *root, capabilities_);
    for (const MemoryRange& entry : map) {
        // Firmware's own code, data and devices, as it left them: these tables are in force for the call only.
        Attributes attributes{all_rights};
        if (entry.type == MemoryType::Mmio)
            attributes = {read_write, MemoryKind::Uncached};
        else if (entry.type != MemoryType::RuntimeCode && entry.type != MemoryType::RuntimeData)
            continue;
        if (auto r = table.map({entry.range.start.value}, entry.range.start, entry.range.size, attributes); !r)
            return std::unexpected(r.error());
    }
    return root;
}

Result<HostPhysical> AddressSpaces::make_guest_windows(const GuestMemoryMap& memory, const GuestInfo& guest,
                                                       PhysicalRange second_stage) {
    Result<HostTable> table = HostTable::create(access_, *frames_, capabilities_);
    if (!table)
        return std::unexpected(table.error());
    for (const MemoryChunk& chunk : memory.chunks())
        if (auto r = table->map({layout::guest_ram + chunk.guest.value}, chunk.host, chunk.size, {read_write}); !r)
            return std::unexpected(r.error());
    using namespace guest_layout;
    if (auto r = table->unmap({layout::guest_ram + legacy_hole.value}, legacy_hole_end - legacy_hole); !r)
        return std::unexpected(r.error());
    const auto file_range = [](LoadedFile file) { // BootInfo: the rest of its last 2 MiB is the file's
        return PhysicalRange{file.address, align_up(file.size, large_page_size)};
    };
    struct Window {
        u64 address;
        PhysicalRange range;
        Rights rights;
    };
    for (const Window& window : {Window{layout::guest_kernel, file_range(guest.kernel), read_only},
                                 Window{layout::guest_initrd, file_range(guest.initrd), read_only},
                                 Window{layout::second_stage + second_stage.start.value, second_stage, read_write}}) {
        if (window.range.size == 0)
            continue;
        if (auto r = table->map({window.address}, window.range.start, window.range.size, {window.rights}); !r)
            return std::unexpected(r.error());
    }
    return table->root();
}

Result<HostPhysical> AddressSpaces::make_cpu_root(const CpuFrames& cpu, HostPhysical windows) {
    const Result<HostPhysical> root = copy_root();
    if (!root)
        return root;
    if (auto r = make_private(*root, layout::per_cpu); !r)
        return std::unexpected(r.error());
    HostTable table(access_, *frames_, *root, capabilities_);
    struct Part {
        u64 address;
        HostPhysical physical;
        u64 size;
    };
    for (const Part& part : {Part{layout::per_cpu_data, cpu.data, layout::per_cpu_data_size},
                             Part{layout::per_cpu_stack, cpu.stack, layout::per_cpu_stack_size},
                             Part{layout::per_cpu_fault_stack, cpu.fault_stack, layout::per_cpu_fault_stack_size},
                             Part{layout::per_cpu_frames, cpu.control, layout::per_cpu_frames_size}})
        if (auto r = table.map({part.address}, part.physical, part.size, {read_write}); !r)
            return std::unexpected(r.error());
    if (windows.value != 0)
        for (const u64 address : {layout::guest_ram, layout::guest_kernel, layout::guest_initrd, layout::second_stage})
            copy_slot(windows, *root, address);
    return root;
}

Result<HostPhysical> make_second_stage(const SecondStageFormat& second_stage, FrameAllocator& frames,
                                       const GuestMemoryMap& memory) {
    static IdentityAccess access;
    const Result<HostPhysical> root = SecondStageTable::create_root(access, frames);
    if (!root)
        return root;
    SecondStageTable table(second_stage.format, access, frames, *root, second_stage.capabilities);
    for (const MemoryChunk& chunk : memory.chunks())
        if (const auto r = table.map(chunk.guest.value, chunk.host, chunk.size, {second_stage.ram}); !r)
            return std::unexpected(r.error());
    using namespace guest_layout;
    if (const auto r = table.unmap(legacy_hole.value, legacy_hole_end - legacy_hole); !r)
        return std::unexpected(r.error());
    if (!second_stage.ram.execute)
        if (const Result<HostPhysical> spares = frames.allocate(spare_tables(memory)); !spares)
            return spares;
    return root;
}

Result<HostPhysical> make_parked_stage(const SecondStageFormat& second_stage, FrameAllocator& frames,
                                       HostPhysical code) {
    static IdentityAccess access;
    const Result<HostPhysical> root = SecondStageTable::create_root(access, frames);
    if (!root)
        return root;
    SecondStageTable table(second_stage.format, access, frames, *root, second_stage.capabilities);
    if (const auto r = table.map(0, code, page_size, {read_execute}); !r)
        return std::unexpected(r.error());
    return root;
}

} // namespace bulkhead
