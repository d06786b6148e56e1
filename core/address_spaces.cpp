// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "core/address_spaces.hpp"

#include "arch/x86_64/layout.hpp"
#include "mm/format_host.hpp"
#include "mm/table_walker.hpp"

// linker.ld
extern "C" const bulkhead::u8 image_start[], init_start[], init_end[], text_start[], text_end[], rodata_start[],
    rodata_end[], data_start[], data_end[], boot_stack_guard[];

namespace bulkhead {

namespace {

constexpr u64 entry_address = 0x000ffffffffff000;
constexpr unsigned top_level_shift = 39, huge_page_shift = 30, large_page_shift = 21, page_shift = 12;
constexpr u64 top_level_span = u64{1} << top_level_shift;

constinit IdentityAccess identity;

Result<HostPhysical> copy_table(HostPhysical table, FrameAllocator& frames) {
    const Result<HostPhysical> copy = frames.allocate();
    if (copy)
        for (u64 offset = 0; offset < page_size; offset += 8)
            identity.write(*copy + offset, identity.read(table + offset));
    return copy;
}

/// Where the tables below `root` have the entry for `address` that spans 1 << `shift` bytes. No page on the way is
/// large.
HostPhysical slot_of(HostPhysical root, u64 address, unsigned shift) {
    for (unsigned above = top_level_shift; above > shift; above -= 9)
        root = {identity.read(root + (address >> above & 511) * 8) & entry_address};
    return root + (address >> shift & 511) * 8;
}

void copy_slot(HostPhysical from, HostPhysical to, u64 address, unsigned shift = top_level_shift) {
    identity.write(slot_of(to, address, shift), identity.read(slot_of(from, address, shift)));
}

void copy_lower_half(HostPhysical from, HostPhysical to) {
    for (u64 slot = 0; slot < 256; ++slot)
        copy_slot(from, to, slot * top_level_span);
}

} // namespace

/// Maps one part of an address space after the other. After a failure nothing more is mapped, and root() says why.
class TableBuilder {
public:
    using Walker = TableWalker<IdentityAccess, FrameAllocator>;

    /// An existing table, if there is one.
    [[gnu::noinline]] TableBuilder(const SecondStageFormat& tables, FrameAllocator& frames,
                                   const Result<HostPhysical>& root)
        : root_(root), frames_(&frames),
          walker_(tables.format, identity, frames, root ? *root : HostPhysical{}, tables.capabilities) {}
    /// A new one.
    TableBuilder(const SecondStageFormat& tables, FrameAllocator& frames)
        : TableBuilder(tables, frames, Walker::create_root(identity, frames)) {}

    void map(u64 address, HostPhysical physical, u64 size, Attributes attributes) {
        if (root_)
            keep_error(walker_.map(address, physical, size, attributes));
    }
    void unmap(u64 address, u64 size) {
        if (root_)
            keep_error(walker_.unmap(address, size));
    }
    /// A guest's RAM with `rights`, from `address` on.
    void map_ram(u64 address, const GuestMemoryMap& memory, Rights rights) {
        for (const MemoryChunk& chunk : memory.chunks())
            map(address + chunk.guest.value, chunk.host, chunk.size, {rights});
        using namespace guest_layout;
        unmap(address + legacy_hole.value, legacy_hole_end - legacy_hole);
    }

    /// Copies the tables on the way to `address`, down to that whose entries span 1 << `lowest` bytes: they were
    /// another root's.
    void unshare(u64 address, unsigned lowest) {
        for (unsigned shift = top_level_shift; root_ && shift > lowest; shift -= 9) {
            const HostPhysical slot = slot_of(*root_, address, shift);
            const u64 entry = identity.read(slot);
            if ((entry & 1) == 0)
                return;
            const Result<HostPhysical> copy = copy_table({entry & entry_address}, *frames_);
            if (copy)
                identity.write(slot, (entry & ~entry_address) | copy->value);
            else
                root_ = copy;
        }
    }

    [[nodiscard]] const Result<HostPhysical>& root() const { return root_; }
    [[nodiscard]] Result<void> done() const {
        if (!root_)
            return std::unexpected(root_.error());
        return {};
    }

private:
    void keep_error(const Result<TlbFlush>& result) {
        if (!result)
            root_ = std::unexpected(result.error());
    }

    Result<HostPhysical> root_;
    FrameAllocator* frames_;
    Walker walker_;
};

AddressSpaces::AddressSpaces(PhysicalRange image, FrameAllocator& frames, PagingCapabilities capabilities)
    : image_(image), frames_(&frames), capabilities_(capabilities) {}

HostPhysical AddressSpaces::image_physical(const void* object) const {
    return image_.start + (reinterpret_cast<u64>(object) - reinterpret_cast<u64>(image_start));
}

TableBuilder AddressSpaces::table_at(const Result<HostPhysical>& root) const {
    return {{page_format_of<HostFormat>, capabilities_}, *frames_, root};
}

Result<void> AddressSpaces::create(PhysicalRange shared, PhysicalRange handoff, PhysicalRange journal) {
    TableBuilder table({page_format_of<HostFormat>, capabilities_}, *frames_);
    const auto map_section = [&](const u8* start, const u8* end, Rights rights) {
        table.map(reinterpret_cast<u64>(start), image_physical(start), static_cast<u64>(end - start), {rights});
    };
    map_section(init_start, init_end, read_execute);
    map_section(text_start, text_end, read_execute);
    map_section(rodata_start, rodata_end, read_only);
    map_section(data_start, data_end, read_write);
    table.unmap(reinterpret_cast<u64>(boot_stack_guard), page_size);
    table.map(layout::handoff, handoff.start, handoff.size, {read_only});
    table.map(layout::shared, shared.start, shared.size, {read_write});
    if (journal.size != 0)
        table.map(layout::journal, journal.start, journal.size, {read_write});
    common_ = with_init_ = table.root().value_or(HostPhysical{});
    return table.done();
}

Result<void> AddressSpaces::leave_init_out() {
    TableBuilder table = table_at(copy_table(common_, *frames_));
    table.unshare(layout::image, page_shift);
    table.unmap(reinterpret_cast<u64>(init_start), static_cast<u64>(init_end - init_start));
    common_ = table.root().value_or(HostPhysical{});
    return table.done();
}

Result<void> AddressSpaces::map_device(HostPhysical address, u64 size) {
    const HostPhysical first = address.align_down(page_size);
    const u64 bytes = (address + size).align_up(page_size) - first;
    TableBuilder table = table_at(common_);
    table.map(layout::mmio + first.value, first, bytes, {read_write, MemoryKind::Uncached});
    return table.done();
}

Result<HostPhysical> AddressSpaces::make_boot_root(HostPhysical firmware_root) {
    const Result<HostPhysical> root = copy_table(common_, *frames_);
    if (root)
        copy_lower_half({firmware_root.value & entry_address}, *root);
    return root;
}

Result<HostPhysical> AddressSpaces::make_trampoline_root(HostPhysical trampoline) {
    TableBuilder table = table_at(copy_table(common_, *frames_));
    table.map(trampoline.value, trampoline, page_size, {read_execute});
    if (table.root() && table.root()->value >= 4 * GiB)
        return fail("page tables for starting CPUs must be below 4 GiB", table.root()->value);
    return table.root();
}

Result<void> AddressSpaces::map_firmware(std::span<const MemoryRange> map, PhysicalRange handoff) {
    TableBuilder table({page_format_of<HostFormat>, capabilities_}, *frames_);
    table.map(handoff.start.value, handoff.start, handoff.size, {read_only});
    for (const MemoryRange& entry : map) {
        // Firmware's own code, data and devices, as it left them: these tables are in force for the call only.
        Attributes attributes{all_rights};
        if (entry.type == MemoryType::Mmio)
            attributes = {read_write, MemoryKind::Uncached};
        else if (entry.type != MemoryType::RuntimeCode && entry.type != MemoryType::RuntimeData)
            continue;
        table.map(entry.range.start.value, entry.range.start, entry.range.size, attributes);
    }
    firmware_ = table.root().value_or(HostPhysical{});
    return table.done();
}

Result<HostPhysical> AddressSpaces::make_firmware_root(HostPhysical run) {
    const Result<HostPhysical> root = copy_table(run, *frames_);
    if (root)
        copy_lower_half(firmware_, *root);
    return root;
}

Result<HostPhysical> AddressSpaces::make_guest_windows(const GuestMemoryMap& memory,
                                                       std::span<const GuestSegment> segments,
                                                       PhysicalRange second_stage) {
    TableBuilder table({page_format_of<HostFormat>, capabilities_}, *frames_);
    table.map_ram(layout::guest_ram, memory, read_write);
    for (const GuestSegment& segment : segments) {
        const HostPhysical first = segment.from.align_down(page_size);
        const HostPhysical end = (segment.from + segment.size).align_up(page_size);
        table.map(layout::pristine + first.value, first, end - first, {read_only});
    }
    if (second_stage.size != 0)
        table.map(layout::second_stage + second_stage.start.value, second_stage.start, second_stage.size, {read_write});
    return table.root();
}

Result<HostPhysical> AddressSpaces::make_cpu_root(const CpuFrames& cpu, HostPhysical windows) {
    TableBuilder table = table_at(copy_table(common_, *frames_));
    table.unshare(layout::per_cpu, large_page_shift);
    table.map(layout::per_cpu_data, cpu.data, layout::per_cpu_data_size, {read_write});
    table.map(layout::per_cpu_stack, cpu.stack, layout::per_cpu_stack_size, {read_write});
    table.map(layout::per_cpu_fault_stack, cpu.fault_stack, layout::per_cpu_fault_stack_size, {read_write});
    table.map(layout::per_cpu_frames, cpu.control, layout::per_cpu_frames_size, {read_write});
    if (table.root() && windows.value != 0)
        for (const u64 address : {layout::guest_ram, layout::pristine, layout::second_stage})
            copy_slot(windows, *table.root(), address);
    return table.root();
}

Result<HostPhysical> AddressSpaces::make_start_root(HostPhysical run) {
    TableBuilder table = table_at(copy_table(run, *frames_));
    table.unshare(layout::image, huge_page_shift);
    if (table.root())
        copy_slot(with_init_, *table.root(), layout::image, huge_page_shift); // nothing else is in that GiB
    return table.root();
}

Result<HostPhysical> make_second_stage(const SecondStageFormat& second_stage, FrameAllocator& frames,
                                       const GuestMemoryMap& memory) {
    TableBuilder table(second_stage, frames);
    table.map_ram(0, memory, second_stage.ram);
    if (table.root() && !second_stage.ram.execute)
        if (const Result<HostPhysical> spares = frames.allocate(spare_tables(memory)); !spares)
            return spares;
    return table.root();
}

Result<HostPhysical> make_parked_stage(const SecondStageFormat& second_stage, FrameAllocator& frames,
                                       HostPhysical code) {
    TableBuilder table(second_stage, frames);
    table.map(0, code, page_size, {read_execute});
    return table.root();
}

} // namespace bulkhead
