// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
#include "survey/pci.hpp"

#include "survey/serial.hpp"

namespace bulkhead::survey {

namespace {

// PCI 3.0 6.1, 6.7 and PCIe 6.0 7.5: offsets.
constexpr u32 status_offset = 0x06, header_type_offset = 0x0e, secondary_bus_offset = 0x19,
              subordinate_bus_offset = 0x1a, subsystem_offset = 0x2c, capabilities_offset = 0x34,
              first_extended_capability = 0x100;
constexpr u32 all_ones = ~0u;

// Capability IDs: PCI code and ID assignment 1.11.
constexpr u8 cap_pm = 0x01, cap_msi = 0x05, cap_subsystem = 0x0d, cap_pcie = 0x10, cap_msix = 0x11, cap_af = 0x13;
constexpr u16 ext_acs = 0x000d, ext_sriov = 0x0010;

void read_bars(PciFunction& function, const PciRegisters& registers) {
    const u32 count = function.header == 0 ? 6 : function.header == 1 ? 2 : 0;
    for (u32 i = 0; i < count; ++i) {
        const u32 low = registers.read32(boot::pci::bar0_offset + 4 * i);
        if (low == 0 || low == all_ones)
            continue;
        Bar bar{.index = static_cast<u8>(i), .io = (low & 1) != 0};
        if (bar.io) {
            bar.address = low & ~3u;
        } else {
            bar.is_64_bit = (low >> 1 & 3) == 2;
            bar.prefetchable = (low >> 3 & 1) != 0;
            bar.address = low & ~0xfu;
            if (bar.is_64_bit && i + 1 < count)
                bar.address |= u64{registers.read32(boot::pci::bar0_offset + 4 * ++i)} << 32;
        }
        bar.size = registers.bar_size(bar.index, bar.address);
        (void)function.bars.push_back(bar); // there are six at most
    }
}

/// PCIe 6.0 7.5.3.3: Device Capabilities.
void take_pcie(PciFunction& function, const PciRegisters& registers, u32 at) {
    constexpr u32 function_level_reset = 1u << 28;
    function.pcie_type = registers.read16(at + 2) >> 4 & 0xf;
    function.resets.flr = (registers.read32(at + 4) & function_level_reset) != 0;
}

void take_capability(PciFunction& function, const PciRegisters& registers, u8 id, u32 at) {
    if (id == cap_pcie) {
        take_pcie(function, registers, at);
    } else if (id == cap_pm) { // PM 1.2 3.2.4: No_Soft_Reset
        function.resets.pm = (registers.read16(at + 4) >> 3 & 1) == 0;
    } else if (id == cap_af) { // Advanced Capabilities ECN: TP and FLR
        function.resets.af = (registers.read8(at + 3) & 3) == 3;
    } else if (id == cap_msi) {
        function.msi_vectors = 1u << (registers.read16(at + 2) >> 1 & 7);
    } else if (id == cap_msix) {
        function.msix_vectors = (registers.read16(at + 2) & 0x7ffu) + 1;
    } else if (id == cap_subsystem && function.header == 1) {
        function.subsystem_vendor = registers.read16(at + 4);
        function.subsystem_id = registers.read16(at + 6);
    }
}

/// The list is as long as the room for it at most: firmware and devices can make it a circle.
void read_capabilities(PciFunction& function, const PciRegisters& registers) {
    constexpr u16 has_list = 1u << 4;
    if ((registers.read16(status_offset) & has_list) == 0)
        return;
    if (registers.readable() <= 0x40) {
        function.problem = "its capabilities cannot be read";
        return;
    }
    u32 at = registers.read8(capabilities_offset) & 0xfcu;
    while (at >= 0x40 && at < 0x100) {
        const u16 head = registers.read16(at);
        if (head == 0xffff)
            break;
        if (!function.capabilities.push_back(static_cast<u8>(head))) {
            function.problem = "its list of capabilities does not end";
            return;
        }
        take_capability(function, registers, static_cast<u8>(head), at);
        at = head >> 8 & 0xfcu;
    }
}

void read_extended_capabilities(PciFunction& function, const PciRegisters& registers) {
    if (function.pcie_type == not_pcie)
        return;
    if (registers.readable() <= first_extended_capability) {
        function.problem = "its extended capabilities cannot be read: ACS and SR-IOV are not known";
        return;
    }
    for (u32 at = first_extended_capability; at >= first_extended_capability;) {
        const u32 head = registers.read32(at);
        if (head == 0 || head == all_ones)
            return;
        const u16 id = static_cast<u16>(head);
        if (!function.extended.push_back(id)) {
            function.problem = "its list of extended capabilities does not end";
            return;
        }
        if (id == ext_acs) { // PCIe 6.0 7.7.11
            function.has_acs = true;
            function.acs = registers.read16(at + 4);
        } else if (id == ext_sriov) { // PCIe 6.0 9.3.3
            function.virtual_functions = registers.read16(at + 0xe);
        }
        at = head >> 20 & 0xffcu;
    }
}

void take_serial_port(Inventory& inventory, const PciFunction& function) {
    constexpr u32 serial_controller = 0x0700;
    if (function.class_code >> 8 != serial_controller || function.bars.empty())
        return;
    const Bar& bar = function.bars[0];
    if (bar.address != 0)
        add_serial(inventory, {.source = SerialSource::Pci,
                               .io = bar.io,
                               .address = bar.address,
                               .is_16550 = (function.class_code & 0xff) <= 6, // interfaces: 8250 to 16950
                               .has_pci = true,
                               .at = function.at});
}

} // namespace

void survey_function(Inventory& inventory, PciAddress at, const PciRegisters& registers) {
    using namespace boot::pci;
    const u32 id = registers.read32(id_offset);
    const u32 revision = registers.read32(class_offset);
    PciFunction function{.at = at,
                         .vendor = static_cast<u16>(id),
                         .id = static_cast<u16>(id >> 16),
                         .class_code = revision >> 8,
                         .revision = static_cast<u8>(revision),
                         .header = static_cast<u8>(registers.read8(header_type_offset) & 0x7f),
                         .multi_function = (registers.read8(header_type_offset) & 0x80) != 0,
                         .pcie_type = not_pcie};
    if (function.header == 0) {
        function.subsystem_vendor = registers.read16(subsystem_offset);
        function.subsystem_id = registers.read16(subsystem_offset + 2);
    } else if (function.header == 1 || function.header == 2) {
        function.secondary_bus = registers.read8(secondary_bus_offset);
        function.subordinate_bus = registers.read8(subordinate_bus_offset);
    } else {
        function.problem = "its header is of a type that is not known";
    }
    if (function.header <= 1) {
        read_bars(function, registers);
        read_capabilities(function, registers);
        read_extended_capabilities(function, registers);
    }
    take_serial_port(inventory, function);
    inventory.add(inventory.pci, function, "PCI functions");
}

} // namespace bulkhead::survey
