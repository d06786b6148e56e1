// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// PCI configuration space at the hand-off: walking the functions of a segment, and which of them may go on using DMA.
#pragma once

#include <concepts>

#include "base/types.hpp"

namespace bulkhead::boot::pci {

struct Function {
    u8 bus = 0;
    u8 device = 0;   // 0 to 31
    u8 function = 0; // 0 to 7
    friend constexpr bool operator==(const Function&, const Function&) = default;
};

/// How configuration space is reached; offsets are multiples of 4. What is not there reads as all ones.
template <class T>
concept Config = requires(const T& config, Function function) {
    { config.read(function, u16{}) } -> std::same_as<u32>;
    config.write(function, u16{}, u32{});
};

// PCI 3.0 6.1: offsets of type 0 and 1 headers.
inline constexpr u16 id_offset = 0x00;
inline constexpr u16 command_offset = 0x04;
inline constexpr u16 class_offset = 0x08;
inline constexpr u16 header_offset = 0x0c;
inline constexpr u16 bar0_offset = 0x10;

inline constexpr u32 command_memory_space = 1u << 1;
inline constexpr u32 command_bus_master = 1u << 2;

/// Class, subclass and interface: the upper three bytes of the register at 8. PCI code and ID assignment 1.11.
inline constexpr u32 usb_ehci = 0x0c0320;
inline constexpr u32 usb_xhci = 0x0c0330;

/// Storage, network and USB controllers: the firmware's drivers of these do DMA until they are stopped.
constexpr bool has_dma_driver(u32 class_code) {
    return class_code >> 16 == 0x01 || class_code >> 16 == 0x02 || class_code >> 8 == 0x0c03;
}

/// The screen goes on, for the hypervisor's text. A bridge does no DMA of its own: the endpoints behind it are silent.
constexpr bool keeps_bus_mastering(u32 class_code) { return class_code >> 16 == 0x03 || class_code >> 16 == 0x06; }

/// Calls `visit(function, class code)` for each function on the buses from `first` to `last`.
template <Config Access, class Visit>
void for_each_function(const Access& config, u32 first_bus, u32 last_bus, Visit visit) {
    constexpr u32 absent = 0xffff;
    constexpr u32 multi_function = 1u << 23;
    for (u32 slot = first_bus * 32; slot < (last_bus + 1) * 32; ++slot) {
        u32 functions = 1;
        for (u32 i = 0; i < functions; ++i) {
            const Function function{.bus = static_cast<u8>(slot / 32),
                                    .device = static_cast<u8>(slot % 32),
                                    .function = static_cast<u8>(i)};
            if ((config.read(function, id_offset) & 0xffff) == absent)
                continue;
            if (i == 0 && (config.read(function, header_offset) & multi_function) != 0)
                functions = 8;
            visit(function, config.read(function, class_offset) >> 8);
        }
    }
}

/// Takes the right to do DMA, and to send MSIs, from a function unless it may keep it.
template <Config Access> void stop_dma(const Access& config, Function function, u32 class_code) {
    const u32 command = config.read(function, command_offset) & 0xffff;
    // The upper half is the status register, whose bits are cleared by writing ones: write zeros there.
    if (!keeps_bus_mastering(class_code) && (command & command_bus_master) != 0)
        config.write(function, command_offset, command & ~command_bus_master);
}

} // namespace bulkhead::boot::pci
