// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// Devices and firmware, as sysfs shows them.
#include <algorithm>
#include <cstdio>
#include <cstring>
#include <map>
#include <sstream>
#include <vector>

#include "survey/pci.hpp"
#include "survey/serial.hpp"
#include "survey/smbios.hpp"
#include "tools/probe.hpp"

namespace bulkhead::tools {
namespace {

using survey::Inventory;
using survey::Known;
namespace fs = std::filesystem;

/// One function, by its folder in /sys/bus/pci/devices.
class SysfsFunction {
public:
    explicit SysfsFunction(const fs::path& folder) : config_(file_text(folder / "config").value_or("")) {
        std::istringstream resources(file_text(folder / "resource").value_or(""));
        for (std::string line; std::getline(resources, line);) {
            unsigned long long start = 0, end = 0;
            const bool is_range = std::sscanf(line.c_str(), "%llx %llx", &start, &end) == 2;
            sizes_.push_back(is_range && end > start ? end - start + 1 : 0);
        }
    }

    [[nodiscard]] u32 read(boot::pci::Function /*this one*/, u16 offset) const {
        u32 value = ~0u;
        if (offset + sizeof value <= config_.size())
            std::memcpy(&value, config_.data() + offset, sizeof value);
        return value;
    }
    [[nodiscard]] u32 readable(boot::pci::Function /*this one*/) const { return static_cast<u32>(config_.size()); }
    [[nodiscard]] u64 bar_size(boot::pci::Function /*this one*/, u32 index, u64 /*address*/) const {
        return index < sizes_.size() ? sizes_[index] : 0;
    }

private:
    std::string config_;
    std::vector<u64> sizes_;
};

std::optional<survey::PciAddress> address_of(const std::string& name) {
    unsigned segment = 0, bus = 0, device = 0, function = 0;
    if (std::sscanf(name.c_str(), "%x:%x:%x.%x", &segment, &bus, &device, &function) != 4 || segment > 0xffff ||
        bus > 0xff || device > 31 || function > 7)
        return std::nullopt; // VMD numbers segments from 0x10000 on: they are behind another function
    return survey::PciAddress{.segment = static_cast<u16>(segment),
                              .bus = static_cast<u8>(bus),
                              .device = static_cast<u8>(device),
                              .function = static_cast<u8>(function)};
}

/// UEFI 2.10 32.4; efivarfs puts four bytes of attributes before the value.
Known secure_boot(const LinuxSystem& system) {
    const auto text =
        file_text(system.root / "sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c");
    if (!text || text->size() < 5)
        return Known::NotKnown;
    return (*text)[4] == 1 ? Known::Yes : Known::No;
}

} // namespace

void probe_pci(Inventory& inventory, const LinuxSystem& system) {
    std::error_code error;
    std::vector<fs::path> folders;
    for (const fs::directory_entry& entry : fs::directory_iterator(system.root / "sys/bus/pci/devices", error))
        folders.push_back(entry.path());
    if (error)
        inventory.note("PCI", "this system shows no PCI devices (/sys/bus/pci/devices)");
    std::ranges::sort(folders);
    for (const fs::path& folder : folders) {
        const auto at = address_of(folder.filename());
        if (!at) {
            inventory.note("PCI", "a function whose address cannot be understood: " + folder.filename().string());
            continue;
        }
        const SysfsFunction function(folder);
        const boot::pci::Function place{.bus = at->bus, .device = at->device, .function = at->function};
        if (function.readable(place) < 64)
            inventory.note("PCI", "the configuration space cannot be read of " + folder.filename().string());
        else
            survey::survey_function(inventory, *at, survey::PciRegisters(function, place));
    }
    survey::survey_groups(inventory);
}

void probe_firmware(Inventory& inventory, const LinuxSystem& system) {
    const fs::path dmi = system.root / "sys/class/dmi/id";
    survey::Board& board = inventory.board;
    std::error_code error;
    if (!fs::exists(dmi, error))
        inventory.note("SMBIOS", "this system shows nothing of it (/sys/class/dmi/id)");
    else if (!file_text(dmi / "product_serial"))
        inventory.note("SMBIOS", "serial numbers and the UUID cannot be read by this user: run as root");
    board.bios_vendor = std::string_view(first_line(dmi / "bios_vendor"));
    board.bios_version = std::string_view(first_line(dmi / "bios_version"));
    board.bios_date = std::string_view(first_line(dmi / "bios_date"));
    board.system_vendor = std::string_view(first_line(dmi / "sys_vendor"));
    board.system_product = std::string_view(first_line(dmi / "product_name"));
    board.system_version = std::string_view(first_line(dmi / "product_version"));
    board.system_serial = std::string_view(first_line(dmi / "product_serial"));
    board.system_uuid = std::string_view(first_line(dmi / "product_uuid"));
    board.board_vendor = std::string_view(first_line(dmi / "board_vendor"));
    board.board_product = std::string_view(first_line(dmi / "board_name"));
    board.board_version = std::string_view(first_line(dmi / "board_version"));
    board.board_serial = std::string_view(first_line(dmi / "board_serial"));
    inventory.firmware.vendor = std::string_view(first_line(dmi / "bios_vendor"));
    inventory.firmware.is_uefi = fs::exists(system.root / "sys/firmware/efi", error) ? Known::Yes : Known::No;
    inventory.firmware.secure_boot = secure_boot(system);
}

/// drivers/tty/serial/serial_core.c in Linux: type 0 is PORT_UNKNOWN, where nothing answered.
void probe_serial(Inventory& inventory, const LinuxSystem& system) {
    std::error_code error;
    std::vector<fs::path> ports;
    for (const fs::directory_entry& entry : fs::directory_iterator(system.root / "sys/class/tty", error))
        if (entry.path().filename().string().starts_with("ttyS"))
            ports.push_back(entry.path());
    if (error)
        inventory.note("serial ports", "this system shows none (/sys/class/tty)");
    std::ranges::sort(ports);
    for (const fs::path& tty : ports) {
        const u64 port = number_in(tty / "port").value_or(0);
        const u64 memory = number_in(tty / "iomem_base").value_or(0);
        if (number_in(tty / "type").value_or(0) == 0 || (port == 0 && memory == 0))
            continue;
        // The number is Linux' own: of a port of a PC it is the ISA interrupt, but for virtual machines' devices.
        const auto com = std::ranges::find(survey::com_ports, port, &survey::ComPort::port);
        survey::add_serial(inventory, {.source = survey::SerialSource::Linux,
                                       .io = port != 0,
                                       .address = port != 0 ? port : memory,
                                       .irq = com != std::end(survey::com_ports) ? u32{com->irq} : 0,
                                       .is_16550 = true});
    }
}

} // namespace bulkhead::tools
