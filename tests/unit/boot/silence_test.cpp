// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// PCI functions, USB controllers and IOMMUs at the hand-off.
#include <map>
#include <vector>

#include <catch2/catch_test_macros.hpp>

#include "boot/iommu.hpp"
#include "boot/pci.hpp"
#include "boot/usb_ownership.hpp"

using namespace bulkhead;
using namespace bulkhead::boot;

namespace {

/// Configuration space of some functions; what is not there reads as all ones.
struct FakeConfig {
    using Key = u32;
    static Key key(pci::Function function, u16 offset) {
        return static_cast<u32>(function.bus) << 16 | static_cast<u32>(function.device) << 11 |
               static_cast<u32>(function.function) << 8 | offset;
    }
    void add(pci::Function function, u32 class_code, u32 command, bool multi_function = false) {
        values[key(function, 0)] = 0x12348086;
        values[key(function, 4)] = 0xffff'0000 | command; // all status bits set: writing ones would clear them
        values[key(function, 8)] = class_code << 8;
        values[key(function, 0xc)] = multi_function ? 1u << 23 : 0;
    }
    [[nodiscard]] u32 read(pci::Function function, u16 offset) const {
        if (!values.contains(key(function, 0)))
            return ~0u;
        const auto found = values.find(key(function, offset));
        return found == values.end() ? 0 : found->second;
    }
    void write(pci::Function function, u16 offset, u32 value) const {
        if (offset == 4)
            CHECK(value >> 16 == 0);
        values[key(function, offset)] = value;
    }
    mutable std::map<Key, u32> values;
};

/// Registers of one device, with what it does by itself: `after` pauses the bits in `clears` go.
struct FakeRegisters {
    [[nodiscard]] bool covers(HostPhysical, u64) const { return mapped; }
    [[nodiscard]] u32 read(HostPhysical address) const { return values[address.value]; }
    void write(HostPhysical address, u32 value) const {
        values[address.value] = value;
        writes.push_back(address.value);
    }
    void pause() const {
        if (++pauses == after)
            values[answer_at] &= ~clears;
    }
    bool mapped = true;
    u32 after = 0;
    u64 answer_at = 0;
    u32 clears = 0;
    mutable u32 pauses = 0;
    mutable std::map<u64, u32> values{};
    mutable std::vector<u64> writes{};
};

constexpr pci::Function nic{.bus = 1, .device = 3, .function = 0};
constexpr pci::Function usb{.bus = 0, .device = 20, .function = 0};

FakeConfig usb_controller(u32 class_code) {
    FakeConfig config;
    config.add(usb, class_code, pci::command_memory_space | pci::command_bus_master);
    config.values[FakeConfig::key(usb, pci::bar0_offset)] = 0xfe00'0004;
    config.values[FakeConfig::key(usb, pci::bar0_offset + 4)] = 1;
    return config;
}

constexpr u64 usb_base = 0x1'fe00'0000;

} // namespace

TEST_CASE("bus mastering is taken from all but display and bridges") {
    FakeConfig config;
    config.add({0, 0, 0}, 0x060000, 7);
    config.add({0, 1, 0}, 0x030000, 7);
    config.add({0, 2, 0}, 0x060400, 7, true);
    config.add({0, 2, 5}, 0x010601, 7);
    config.add({0, 3, 0}, 0x0c0330, 7);
    config.add({0, 3, 1}, 0x0c0330, 7); // function 0 says that there is only one: not there
    config.add(nic, 0x020000, 0x406);
    config.add({255, 31, 0}, 0x010802, 7);
    u32 seen = 0;
    pci::for_each_function(config, 0, 255, [&](pci::Function function, u32 class_code) {
        ++seen;
        pci::stop_dma(config, function, class_code);
    });
    CHECK(seen == 7);
    const auto command = [&](pci::Function function) { return config.read(function, 4) & 0xffff; };
    CHECK(command({0, 0, 0}) == 7);
    CHECK(command({0, 1, 0}) == 7);
    CHECK(command({0, 2, 0}) == 7);
    CHECK(command({0, 2, 5}) == 3);
    CHECK(command({0, 3, 0}) == 3);
    CHECK(command({0, 3, 1}) == 7);
    CHECK(command(nic) == 0x402);
    CHECK(command({255, 31, 0}) == 3);
}

TEST_CASE("only drivers of storage, network and USB are disconnected") {
    CHECK(pci::has_dma_driver(0x010802));
    CHECK(pci::has_dma_driver(0x020000));
    CHECK(pci::has_dma_driver(0x0c0330));
    CHECK_FALSE(pci::has_dma_driver(0x0c0500)); // SMBus
    CHECK_FALSE(pci::has_dma_driver(0x030000));
    CHECK_FALSE(pci::has_dma_driver(0x060400));
    CHECK_FALSE(pci::has_dma_driver(0x070002)); // a serial port: the console
}

TEST_CASE("xHCI: the BIOS lets go when it is asked") {
    const FakeConfig config = usb_controller(pci::usb_xhci);
    constexpr u64 capability = usb_base + 0x8000 + 0x10;
    FakeRegisters memory{.after = 5, .answer_at = capability, .clears = owned_by_bios};
    memory.values[usb_base + 0x10] = 0x2000'0000;   // first capability at 0x8000
    memory.values[usb_base + 0x8000] = 0x0000'0402; // another one, the next 0x10 further
    memory.values[capability] = owned_by_bios | 0x0001;
    memory.values[capability + 4] = 0x0000'e01f;
    take_xhci(config, memory, usb);
    CHECK(memory.values[capability] == (owned_by_os | 1));
    CHECK(memory.pauses == 5);
    CHECK(memory.values[capability + 4] == (0xe000'0000 | 0x0e | (0xe01f & 0xff << 5)));
}

TEST_CASE("xHCI: a BIOS that does not answer loses the controller after a second") {
    const FakeConfig config = usb_controller(pci::usb_xhci);
    FakeRegisters memory;
    memory.values[usb_base + 0x10] = 0x0100'0000;
    memory.values[usb_base + 0x400] = owned_by_bios | 1;
    take_xhci(config, memory, usb);
    CHECK(memory.values[usb_base + 0x400] == (owned_by_os | 1));
    CHECK(memory.pauses == handover_microseconds);
}

TEST_CASE("xHCI: lists of capabilities that have no end, and registers that are not there") {
    const FakeConfig config = usb_controller(pci::usb_xhci);
    FakeRegisters memory;
    memory.values[usb_base + 0x10] = 0xffff'0000; // beyond the registers
    take_xhci(config, memory, usb);
    CHECK(memory.writes.empty());
    memory.values[usb_base + 0x10] = 0x0004'0000;
    for (u64 offset = 0x10; offset < 64 * KiB; offset += 4)
        memory.values[usb_base + offset] |= 0x0102; // each points to the one behind it
    take_xhci(config, memory, usb);
    CHECK(memory.writes.empty());
    memory.mapped = false;
    take_xhci(config, memory, usb);
    FakeConfig off = config;
    off.add(usb, pci::usb_xhci, 0); // does not decode memory
    take_xhci(off, memory, usb);
    CHECK(memory.writes.empty());
}

TEST_CASE("EHCI: the capability is in configuration space") {
    const FakeConfig config = usb_controller(pci::usb_ehci);
    FakeRegisters memory;
    memory.values[usb_base + 8] = 0x6800;
    config.values[FakeConfig::key(usb, 0x68)] = 1;
    config.values[FakeConfig::key(usb, 0x6c)] = 0xff;
    take_ehci(config, memory, usb);
    CHECK(config.read(usb, 0x68) == (owned_by_os | 1));
    CHECK(config.read(usb, 0x6c) == 0);

    const FakeConfig loop = usb_controller(pci::usb_ehci);
    loop.values[FakeConfig::key(usb, 0x68)] = 0x6802; // points to itself
    take_ehci(loop, memory, usb);
    CHECK(loop.read(usb, 0x68) == 0x6802);
}

TEST_CASE("VT-d: translation and remapping are switched off, or the machine is refused") {
    constexpr HostPhysical base{0xfed9'0000};
    FakeRegisters off;
    CHECK(switch_off_vtd(off, base).has_value());
    CHECK(off.writes.empty());

    FakeRegisters stuck;
    stuck.values[base.value + 0x1c] = 1u << 31;
    const auto refused = switch_off_vtd(stuck, base);
    REQUIRE_FALSE(refused.has_value());
    CHECK(refused.error().value == base.value);

    FakeRegisters on{.after = 3, .answer_at = base.value + 0x1c, .clears = 1u << 31};
    on.values[base.value + 0x1c] = 1u << 31 | 1u << 30 | 1u << 28;
    CHECK(switch_off_vtd(on, base).has_value());
    CHECK(on.values[base.value + 0x18] == 1u << 28); // the one-shot bit of SRTP is not written again
}

TEST_CASE("AMD IOMMU: switched off, the other bits stay") {
    constexpr HostPhysical base{0xfeb8'0000};
    FakeRegisters memory;
    memory.values[base.value + 0x18] = 0x1401;
    CHECK(switch_off_amd(memory, base).has_value());
    CHECK(memory.values[base.value + 0x18] == 0x1400);
    memory.writes.clear();
    CHECK(switch_off_amd(memory, base).has_value());
    CHECK(memory.writes.empty());
}
