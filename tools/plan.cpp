// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "tools/plan.hpp"

#include <algorithm>
#include <iomanip>
#include <memory>
#include <sstream>

#include "boot/region_set.hpp"
#include "config/load.hpp"
#include "tools/failure.hpp"

namespace bulkhead::tools {
namespace {

std::string console_of(const GuestConfig& guest, const HypervisorConfig& hypervisor) {
    std::ostringstream text;
    const bool own = guest.console_port.given();
    const u64 port = own ? guest.console_port.value : hypervisor.console_port.value;
    if (port == 0)
        return "no serial port";
    text << "serial port 0x" << std::hex << port << std::dec << ", interrupt "
         << (own ? guest.console_irq.value : hypervisor.console_irq.value)
         << (own ? ", its own" : ", shared with the hypervisor");
    return text.str();
}

void add(RegionSet& set, const PhysicalRange& range) {
    if (!set.add(range))
        throw Failure("the inventory has ranges of memory that end nowhere");
}

void subtract(RegionSet& set, const PhysicalRange& range) {
    if (!set.subtract(range))
        throw Failure("the configuration has ranges of memory that end nowhere");
}

/// What the loader takes before it places the guests: nothing that a guest's list of ranges has, else from the end of
/// the largest range. Its size, not its place.
void take_own_memory(std::vector<PhysicalRange>& free, const Configuration& configuration, Files& files, u64 cpus) {
    constexpr u64 image_and_tables = 64 * MiB;
    u64 of_files = 0;
    std::vector<PhysicalRange> listed;
    for (const GuestConfig& guest : configuration.guests) {
        for_each_file(guest, [&](const GuestFile& file) {
            if (file.path.given())
                of_files += align_up(files.size(file.path.value).value_or(0), page_size);
        });
        for (const Located<PhysicalRange>& range : guest.memory.ranges)
            listed.push_back(range.value);
    }
    std::vector<PhysicalRange> storage(2 * (free.size() + listed.size()) + 2), storage_unlisted(storage.size());
    RegionSet left(storage), unlisted(storage_unlisted);
    for (const PhysicalRange& range : free) {
        add(left, range);
        add(unlisted, range);
    }
    for (const PhysicalRange& range : listed)
        subtract(unlisted, range);
    u64 own = pool_size(cpus, configuration.guests.size(), most_guest_memory(configuration, left.total()), false) +
              image_and_tables + of_files;
    for (RegionSet* from : {&unlisted, &left}) // where a list has all there is, its guest will miss something
        while (own != 0 && !from->ranges().empty()) {
            const PhysicalRange largest = *std::ranges::max_element(from->ranges(), {}, &PhysicalRange::size);
            const u64 size = std::min(own, largest.size);
            const PhysicalRange taken{largest.end() - size, size};
            subtract(unlisted, taken);
            subtract(left, taken);
            own -= size;
        }
    free.assign(left.ranges().begin(), left.ranges().end());
}

std::string size_text(u64 bytes) {
    Line<40> line;
    line << Size{bytes};
    return std::string(line.view());
}

std::string hex_text(u64 value) {
    Line<24> line;
    line << Hex{value};
    return std::string(line.view());
}

/// The hypervisor falls back then, and says so.
void look_for_ports(PlannedMachine& plan, const Configuration& configuration, const InventoryMachine& machine) {
    const auto is_there = [&](u64 port) {
        return machine.is_made_up || port == 0 ||
               std::ranges::find(machine.serial_ports, port) != machine.serial_ports.end();
    };
    if (!is_there(configuration.hypervisor.console_port.value))
        plan.notes.push_back("the inventory has no serial port at " +
                             hex_text(configuration.hypervisor.console_port.value) +
                             ": the console is on the screen alone");
    for (const GuestConfig& guest : configuration.guests)
        if (guest.console_port.given() && !is_there(guest.console_port.value))
            plan.notes.push_back("guest " + std::string(guest.name.value) + ": the inventory has no serial port at " +
                                 hex_text(guest.console_port.value) + ": it would share the hypervisor's");
}

u64 size_of(std::span<const MemoryChunk> chunks) {
    u64 size = 0;
    for (const MemoryChunk& chunk : chunks)
        size += chunk.size;
    return size;
}

std::string owner_of(const PlannedMachine& plan, u32 cpu) {
    for (const PlannedMachine::Guest& guest : plan.guests)
        if (std::ranges::find(guest.cpus, cpu) != guest.cpus.end())
            return guest.name;
    return {};
}

} // namespace

InventoryMachine made_up_machine(const CheckedConfiguration& configuration) {
    InventoryMachine machine;
    machine.name = "a made-up machine";
    machine.is_made_up = true;
    const MachineOptions fitting = fitting_machine(configuration);
    for (u32 i = 0; i < fitting.cpus; ++i)
        machine.cpus.push_back({.apic_id = 2 * i, .acpi_uid = i, .core = i, .package = 0});
    constexpr u64 low_end = 3 * GiB; // as a PC's: devices up to 4 GiB
    const u64 bytes = u64{fitting.memory_mib} * MiB;
    machine.free_memory.push_back({{16 * MiB}, std::min(bytes, low_end) - 16 * MiB});
    if (bytes > low_end)
        machine.free_memory.push_back({{4 * GiB}, bytes - low_end});
    return machine;
}

PlannedMachine plan_configuration(const std::filesystem::path& path, const InventoryMachine& machine) {
    PlannedMachine plan;
    plan.machine = machine.name.empty() ? "this machine" : machine.name;
    plan.cpus = machine.cpus;
    plan.free_memory = machine.free_memory;
    const std::string text = read_configuration_text(path);
    const auto storage = std::make_unique<ConfigurationStorage>();
    LoadedConfiguration loaded(*storage);
    FolderFiles files(path.parent_path());
    if (load_configuration(text, files, nullptr, loaded))
        take_own_memory(plan.free_memory, loaded.configuration, files, plan.cpus.size());
    const Machine view{.cpus = plan.cpus, .free_memory = plan.free_memory, .nodes = machine.nodes};
    (void)load_configuration(text, files, &view, loaded);
    for (std::size_t i = 0; i < loaded.plan.guests.size(); ++i)
        if (const GuestConfig& guest = loaded.configuration.guests[i]; guest.memory.value == 0) // a share, or the rest
            check_kernel(guest, size_of(loaded.plan.guests[i].memory), path.parent_path(), loaded.diagnostics);
    plan.errors = errors_of(path, loaded.diagnostics);
    if (!plan.errors.empty())
        return plan;
    look_for_ports(plan, loaded.configuration, machine);
    plan.service_cpu = loaded.plan.service_cpu;
    for (std::size_t i = 0; i < loaded.plan.guests.size(); ++i) {
        const GuestConfig& config = loaded.configuration.guests[i];
        const GuestPlan& guest = loaded.plan.guests[i];
        plan.guests.push_back({.name = std::string(config.name.value),
                               .cpus = {guest.cpus.begin(), guest.cpus.end()},
                               .memory = {guest.memory.begin(), guest.memory.end()},
                               .console = console_of(config, loaded.configuration.hypervisor),
                               .far = guest.several_nodes || guest.far_memory != 0});
    }
    std::vector<char> buffer(256 * KiB);
    Text out(buffer);
    write_plan(out, loaded.configuration, loaded.plan, view);
    plan.text = out.view();
    return plan;
}

void write_plan_text(std::ostream& out, const PlannedMachine& plan) {
    out << "Plan for " << plan.machine << ":\n" << plan.text << "\nCPU  APIC ID  core  package  cache  node  guest\n";
    for (u32 cpu = 0; cpu < plan.cpus.size(); ++cpu) {
        const CpuInfo& info = plan.cpus[cpu];
        const std::string owner = owner_of(plan, cpu);
        out << std::setw(3) << cpu << std::setw(9) << info.apic_id << std::setw(6) << info.core << std::setw(9)
            << info.package << std::setw(7) << info.cache << std::setw(6) << info.node << "  "
            << (owner.empty() ? "-" : owner) << (cpu == plan.service_cpu ? " (the hypervisor's own work)" : "") << '\n';
    }
    struct Piece {
        u64 start, size;
        std::string_view guest;
    };
    std::vector<Piece> pieces;
    for (const PlannedMachine::Guest& guest : plan.guests)
        for (const MemoryChunk& chunk : guest.memory)
            pieces.push_back({chunk.host.value, chunk.size, guest.name});
    std::ranges::sort(pieces, {}, &Piece::start);
    out << "\nMemory of guests:\n";
    for (const Piece& piece : pieces)
        out << "  " << hex_text(piece.start) << " to " << hex_text(piece.start + piece.size) << "  "
            << size_text(piece.size) << "  " << piece.guest << '\n';
    u64 left = 0;
    for (const PhysicalRange& range : plan.free_memory)
        left += range.size;
    for (const Piece& piece : pieces)
        left -= std::min(left, piece.size);
    out << "  " << size_text(left) << " of nobody\n\nConsoles:\n";
    for (const PlannedMachine::Guest& guest : plan.guests)
        out << "  " << guest.name << ": " << guest.console << '\n';
    for (const std::string& note : plan.notes)
        out << "note: " << note << '\n';
}

} // namespace bulkhead::tools
