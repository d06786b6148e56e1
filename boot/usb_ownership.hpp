// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// USB controllers that the firmware's system management mode drives (USB keyboards as PS/2 ones) are told that the
// operating system owns them now.
#pragma once

#include "boot/pci.hpp"
#include "mm/address.hpp"

namespace bulkhead::boot {

/// 32-bit registers in memory, and a short wait: hardware as a parameter.
template <class T>
concept Registers = requires(const T& registers, HostPhysical address, u64 size) {
    { registers.covers(address, size) } -> std::same_as<bool>;
    { registers.read(address) } -> std::same_as<u32>;
    registers.write(address, u32{});
    registers.pause(); // about a microsecond
};

// xHCI 1.2 7.1, EHCI 1.0 2.1.7: the legacy support capability is the same in both.
inline constexpr u32 legacy_support_id = 1;
inline constexpr u32 owned_by_bios = 1u << 16;
inline constexpr u32 owned_by_os = 1u << 24;
inline constexpr u32 handover_microseconds = 1'000'000;

/// The register block that BAR 0 points to; 0 where it is none in memory.
template <pci::Config Config> HostPhysical memory_bar0(const Config& config, pci::Function function) {
    const u32 low = config.read(function, pci::bar0_offset);
    const bool decodes = (config.read(function, pci::command_offset) & pci::command_memory_space) != 0;
    if ((low & 1) != 0 || !decodes)
        return {};
    const u32 high = (low & 6) == 4 ? config.read(function, pci::bar0_offset + 4) : 0;
    return {u64{high} << 32 | (low & ~0xfu)};
}

/// Asks for ownership through `read` and `write` of the capability's first register and waits, but not for ever: a
/// firmware that does not answer loses the controller.
template <class Read, class Write, class Pause> void request_ownership(Read read, Write write, Pause pause) {
    write(read() | owned_by_os);
    for (u32 i = 0; i < handover_microseconds && (read() & owned_by_bios) != 0; ++i)
        pause();
    write((read() | owned_by_os) & ~owned_by_bios);
}

template <pci::Config Config, Registers Memory>
void take_xhci(const Config& config, const Memory& memory, pci::Function function) {
    constexpr u64 registers_size = 64 * KiB;
    constexpr u64 hccparams1 = 0x10;
    // xHCI 1.2 7.1.2: the enables of SMIs are cleared, the reserved bits kept, pending events acknowledged.
    constexpr u32 kept = 0x7u << 1 | 0xffu << 5 | 0x7u << 17;
    constexpr u32 events = 0x7u << 29;
    const HostPhysical base = memory_bar0(config, function);
    if (base.value == 0 || !memory.covers(base, registers_size))
        return;
    u64 offset = u64{memory.read(base + hccparams1) >> 16} * 4;
    for (u32 hops = 0; hops < 64 && offset != 0 && offset + 8 <= registers_size; ++hops) {
        const HostPhysical at = base + offset;
        const u32 capability = memory.read(at);
        if ((capability & 0xff) == legacy_support_id) {
            request_ownership([&] { return memory.read(at); }, [&](u32 value) { memory.write(at, value); },
                              [&] { memory.pause(); });
            memory.write(at + 4, (memory.read(at + 4) & kept) | events);
            return;
        }
        const u64 next = u64{(capability >> 8) & 0xff} * 4;
        offset = next == 0 ? 0 : offset + next;
    }
}

template <pci::Config Config, Registers Memory>
void take_ehci(const Config& config, const Memory& memory, pci::Function function) {
    constexpr u64 hccparams = 8;
    const HostPhysical base = memory_bar0(config, function);
    if (base.value == 0 || !memory.covers(base, page_size))
        return;
    auto offset = static_cast<u16>((memory.read(base + hccparams) >> 8) & 0xfc);
    for (u32 hops = 0; hops < 48 && offset >= 0x40; ++hops) {
        const u32 capability = config.read(function, offset);
        if ((capability & 0xff) == legacy_support_id) {
            request_ownership([&] { return config.read(function, offset); },
                              [&](u32 value) { config.write(function, offset, value); }, [&] { memory.pause(); });
            config.write(function, static_cast<u16>(offset + 4), 0);
            return;
        }
        offset = static_cast<u16>((capability >> 8) & 0xfc);
    }
}

} // namespace bulkhead::boot
