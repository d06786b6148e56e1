// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "survey/proposal.hpp"

#include <algorithm>

#include "survey/memory.hpp"
#include "survey/toml_writer.hpp"
#include "version.hpp"

namespace bulkhead::survey {

namespace {

struct Cores {
    u32 count = 0;
    u32 threads = 0; ///< of each, at least
};

Cores cores_of(const Inventory& inventory) {
    Cores cores;
    u32 smallest = max_cpus;
    for (std::size_t i = 0; i < inventory.cpus.size(); ++i) {
        const auto same = [&](const CpuInfo& cpu) { return cpu.core == inventory.cpus[i].core; };
        const auto all = inventory.cpus.span();
        if (std::ranges::any_of(all.first(i), same))
            continue;
        ++cores.count;
        smallest = std::min(smallest, static_cast<u32>(std::ranges::count_if(all, same)));
    }
    cores.threads = cores.count == 0 ? 0 : smallest;
    return cores;
}

/// What the proposal gives to its guests.
struct Shares {
    u32 guests = 1;
    u32 cpus[2] = {1, 1};
    u64 memory = 0; ///< of each
};

/// With three cores or more one stays free for the hypervisor's own work; a quarter of the memory, or half where there
/// is one guest, is for the hypervisor, and for the files until the guests have started.
Shares share_out(const Inventory& inventory, const Cores& cores) {
    constexpr u64 least_for_two = 256 * MiB;
    constexpr u64 most = 511 * GiB;
    const u64 free = free_bytes(inventory);
    const u32 given = cores.count >= 3 ? cores.count - 1 : cores.count;
    Shares shares;
    if (given >= 2 && free >= least_for_two) {
        shares.guests = 2;
        shares.cpus[0] = given / 2 * cores.threads;
        shares.cpus[1] = (given - given / 2) * cores.threads;
        shares.memory = free / 8 * 3;
    } else {
        shares.cpus[0] = std::max(given * cores.threads, 1u);
        shares.memory = free / 2;
    }
    const u64 step = shares.memory >= GiB ? GiB / 4 : shares.memory >= 128 * MiB ? 32 * MiB : large_page_size;
    shares.memory = std::clamp(align_down(shares.memory, step), large_page_size, most);
    return shares;
}

const SerialPort* console_port(const Inventory& inventory) {
    const auto* found = std::ranges::find_if(inventory.serial, [](const SerialPort& port) {
        return port.io && port.is_16550 && port.address >= 0x100 && port.address <= 0xfff8;
    });
    return found == inventory.serial.end() ? nullptr : found;
}

void write_head(TomlWriter& out, const Inventory& inventory) {
    Line<160> line;
    const std::string_view product = inventory.board.system_product.view();
    line << "A proposal for this machine (" << (product.empty() ? inventory.processor.name.view() : product)
         << ") by Bulkhead " << version << ".";
    out.comment(line.view());
    out.comment(
        "What was found is in inventory.toml beside it; docs/configuration.md describes every key. Change what");
    out.comment("you like, then put the files that are named below beside this one, into the folder bulkhead.");
    if (inventory.verdict == Verdict::Yes)
        return;
    out.comment("");
    out.comment(inventory.verdict == Verdict::No ? "This machine cannot run Bulkhead as it is:"
                                                 : "Whether this machine can run Bulkhead is not known:");
    for (const auto& reason : inventory.reasons)
        out.comment(reason.view());
}

void write_console(TomlWriter& out, const Inventory& inventory) {
    out.table("hypervisor");
    const SerialPort* port = console_port(inventory);
    if (port == nullptr) {
        out.comment("No serial port was found that the hypervisor could use.");
        out.number("console-port", 0);
        out.number("console-irq", 0);
        return;
    }
    out.comment("The first serial port, a 16550, at 115200 baud. Others are in the inventory.");
    out.hex("console-port", port->address);
    if (port->irq == 0)
        out.comment("Which interrupt it has is not known: nothing can be typed there.");
    out.number("console-irq", port->irq);
}

void write_guest(TomlWriter& out, const Inventory& inventory, const Cores& cores, const Shares& shares, u32 index) {
    out.item("guest");
    out.text("name", index == 0 ? "one" : "two");
    if (index == 0) {
        Line<160> line;
        line << u64{inventory.cpus.size()} << (inventory.cpus.size() == 1 ? " CPU" : " CPUs") << " in " << cores.count
             << (cores.count == 1 ? " core" : " cores") << ": a guest gets whole cores"
             << (cores.count >= 3 ? ", and one is left for the hypervisor's own work." : ".");
        out.comment(line.view());
    }
    out.number("cpus", shares.cpus[index]);
    if (index == 0) {
        Line<160> line;
        line << free_bytes(inventory) / MiB
             << " MiB are free: the rest is for the hypervisor, and for the files while they are read.";
        out.comment(line.view());
    }
    Line<32> memory;
    memory << Size{shares.memory};
    out.text("memory", memory.view());
    if (index == 0)
        out.comment("A Linux kernel (bzImage) and its initial RAM disk. Two guests may be made of the same files.");
    out.text("kernel", proposed_kernel);
    out.text("initrd", proposed_initrd);
    out.text("cmdline", "console=ttyS0");
}

} // namespace

std::string_view write_proposal(const Inventory& inventory, std::span<char> room) {
    const Cores cores = cores_of(inventory);
    const Shares shares = share_out(inventory, cores);
    TomlWriter out(room);
    write_head(out, inventory);
    write_console(out, inventory);
    for (u32 i = 0; i < shares.guests; ++i)
        write_guest(out, inventory, cores, shares, i);
    return out.finish();
}

} // namespace bulkhead::survey
